// A worker whose family does not stay together. The argument says how; "who <what> <pid>" on
// standard output names each process that must not be left.
//
// It is no member of the group: its readiness is a newline, as any program may tell it.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <sys/ptrace.h>
#include <unistd.h>

namespace {

void tell(const char* what, pid_t pid) {
    char line[128];
    const int length = std::snprintf(
        line, sizeof(line), "%s has %s %d\n",
        std::getenv("SHMIPC_INDEX") != nullptr ? std::getenv("SHMIPC_INDEX") : "nobody", what,
        static_cast<int>(pid));
    if (::write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) {
        std::_Exit(1);
    }
}

[[noreturn]] void stay() {
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    for (;;) {
        ::pause();
    }
}

/// A child that stays.
pid_t leave_child() {
    const pid_t child = ::fork();
    if (child == 0) {
        stay();
    }
    return child;
}

/// A daemon as the books have it; `bare`: with nothing left in its environment.
void daemonize(const char* self, bool bare) {
    int told[2];
    if (::pipe(told) != 0) {
        std::_Exit(1);
    }
    const pid_t first = ::fork();
    if (first == 0) {
        ::setsid();
        const pid_t second = ::fork();
        if (second == 0) {
            const pid_t pid = ::getpid();
            if (::write(told[1], &pid, sizeof(pid)) != sizeof(pid)) {
                std::_Exit(1);
            }
            ::close(told[0]);
            ::close(told[1]);
            if (bare) {
                std::string program(self);
                std::string word("stay");
                char* const arguments[] = {program.data(), word.data(), nullptr};
                char* const nothing[] = {nullptr};
                ::execve(self, arguments, nothing);
            }
            stay();
        }
        std::_Exit(0);
    }
    pid_t daemon = -1;
    if (::read(told[0], &daemon, sizeof(daemon)) == sizeof(daemon)) {
        tell("daemon", daemon);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view how = argc > 1 ? argv[1] : "";
    if (how == "stay") {
        stay();
    } else if (how == "to-supervisors-group") {
        tell("child", leave_child());
        ::setpgid(0, ::getpgid(::getppid()));
    } else if (how == "to-childs-group") {
        tell("child", leave_child());
        const pid_t leader = ::fork();
        if (leader == 0) {
            ::setpgid(0, 0);
            stay();
        }
        tell("leader", leader);
        ::setpgid(leader, leader);
        ::setpgid(0, leader);
    } else if (how == "daemon" || how == "bare-daemon") {
        daemonize(argv[0], how == "bare-daemon");
    } else if (how == "generations") {
        int last[2];
        if (::pipe(last) != 0) {
            return 1;
        }
        constexpr int kGenerations = 20;
        for (int depth = 0; depth < kGenerations; ++depth) {
            if (depth > 0) {
                ::setsid();
                tell("child", ::getpid());
            }
            const pid_t child = depth + 1 < kGenerations ? ::fork() : -1;
            if (child != 0 && depth > 0) {
                if (child < 0 && ::write(last[1], "", 1) != 1) {
                    return 1;
                }
                stay();
            } else if (child > 0) {
                char byte = 0;
                if (::read(last[0], &byte, 1) != 1) {
                    return 1;
                }
                break;
            }
        }
    } else if (how == "traced" || how == "traced-exec") {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        if (how == "traced-exec") {
            ::execl(argv[0], argv[0], "", nullptr);
            return 1;
        }
        ::signal(SIGUSR1,
                 [](int) { static_cast<void>(::write(STDOUT_FILENO, "was sent USR1\n", 14)); });
        ::raise(SIGUSR1);
    }
    ::alarm(600);
    if (::write(3, "\n", 1) != 1) {
        return 1;
    }
    ::close(3);
    for (;;) {
        ::pause();
    }
}
