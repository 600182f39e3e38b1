// A child that reports what it was born with, line by line, through the descriptor of readiness.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace {

std::string open_descriptors() {
    std::string text;
    DIR* const directory = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(directory)) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != ::dirfd(directory)) {
            text += " " + std::to_string(fd);
        }
    }
    ::closedir(directory);
    return text;
}

std::string blocked_signals() {
    sigset_t mask;
    ::sigprocmask(SIG_BLOCK, nullptr, &mask);
    std::string text;
    for (int signal = 1; signal < NSIG; ++signal) {
        text += ::sigismember(&mask, signal) == 1 ? " " + std::to_string(signal) : "";
    }
    return text;
}

std::string signals_not_at_default() {
    std::string text;
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL) {
            text += " " + std::to_string(signal);
        }
    }
    return text;
}

std::string standard_input() {
    char path[256] = {};
    return ::readlink("/proc/self/fd/0", path, sizeof(path) - 1) > 0 ? path : "?";
}

}  // namespace

int main(int argc, char** argv) {
    int death_signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &death_signal);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    std::string report = "descriptors" + open_descriptors() + "\nblocked" + blocked_signals() +
                         "\nnot-default" + signals_not_at_default() + "\ninput " +
                         standard_input() + "\ndeath-signal " + std::to_string(death_signal) +
                         "\ngroup-leader " + (::getpgrp() == ::getpid() ? "yes" : "no") +
                         "\nparent " + std::to_string(::getppid()) + "\nfiles " +
                         std::to_string(files.rlim_cur) + "\n";
    for (int i = 0; i < argc; ++i) {
        report += std::string("argument ") + argv[i] + "\n";
    }
    for (char** entry = ::environ; *entry != nullptr; ++entry) {
        report += std::string("environment ") + *entry + "\n";
    }
    const bool told =
        ::write(3, report.data(), report.size()) == static_cast<ssize_t>(report.size());
    return told ? 0 : 1;
}
