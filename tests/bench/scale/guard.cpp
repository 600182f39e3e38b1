#include "guard.hpp"

#include "base/os.hpp"
#include "scratch.hpp"
#include <shmipc/group.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <system_error>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::bench {
namespace {

[[noreturn]] void measure(const std::function<int(const Place&)>& body, const Place& place,
                          const sigset_t& mask, pid_t guard) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    int code = EXIT_FAILURE;
    try {
        if (::getppid() == guard) {
            code = body(place);
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "shmipc-bench-scale: %s\n", error.what());
    }
    std::fflush(nullptr);
    ::_exit(code);  // the destructors further up are the guard's
}

/// Waits for the child's end; a signal to stop becomes its death. The last such signal, or 0.
int wait_for(pid_t child, const sigset_t& signals, int& status) {
    int stopped_by = 0;
    while (os::retry([&] { return ::waitpid(child, &status, WNOHANG); }) == 0) {
        const int signal = os::retry([&] { return ::sigwaitinfo(&signals, nullptr); });
        if (signal > 0 && signal != SIGCHLD) {
            stopped_by = signal;
            ::kill(child, SIGKILL);
        }
    }
    return stopped_by;
}

/// The child's death is the supervisor's, and that its workers': the kernel sees to it. They become
/// ours, and are gone when none is left.
void reap_the_rest() {
    while (os::retry([] { return ::waitpid(-1, nullptr, 0); }) > 0) {
    }
}

}  // namespace

int run_guarded(const std::function<int(const Place&)>& body) {
    const test::Scratch scratch;
    const Place place{.group = "scale-" + std::to_string(::getpid()), .directory = scratch.path()};
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
        ::sigaddset(&signals, signal);
    }
    sigset_t before;
    ::sigprocmask(SIG_BLOCK, &signals, &before);
    const pid_t guard = ::getpid();
    const pid_t child = os::require("fork", [] { return ::fork(); });
    if (child == 0) {
        measure(body, place, before, guard);
    }
    int status = 0;
    const int stopped_by = wait_for(child, signals, status);
    reap_the_rest();
    std::error_code error;
    Group::remove(place.group, error);
    if (error) {
        std::fprintf(stderr, "shmipc-bench-scale: cannot remove group %s: %s\n",
                     place.group.c_str(), error.message().c_str());
        return EXIT_FAILURE;
    }
    if (stopped_by != 0) {
        std::fprintf(stderr, "shmipc-bench-scale: stopped by SIG%s\n", ::sigabbrev_np(stopped_by));
        return EXIT_FAILURE;
    }
    if (WIFSIGNALED(status)) {
        std::fprintf(stderr, "shmipc-bench-scale: the measurement was killed by SIG%s\n",
                     ::sigabbrev_np(WTERMSIG(status)));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

}  // namespace shmipc::bench
