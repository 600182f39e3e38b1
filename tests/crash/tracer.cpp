#include "tracer.hpp"

#include "arena.hpp"
#include "base/os.hpp"
#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>

#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

constexpr int kNotTraced = 126;
/// How often it is asked whether a program that runs on is asleep.
constexpr timeval kGlance{.tv_sec = 0, .tv_usec = 2'000};

void on_alarm(int /*signal*/) {}

/// Whether it waits in the kernel (state S of proc_pid_stat(5)).
bool sleeps(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_end = text.rfind(") ");
    return name_end != std::string::npos && text.compare(name_end + 2, 1, "S") == 0;
}

__ptrace_syscall_info position(pid_t pid) {
    __ptrace_syscall_info info{};
    os::require("cannot ask where a traced process stands",
                [&] { return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info); });
    return info;
}

/// Whether the machine's instruction, of which these are the first bytes, is a system call.
bool is_call(std::uint64_t bytes) {
#if defined(__x86_64__)
    return (bytes & 0xffffU) == 0x050fU;  // syscall
#elif defined(__aarch64__)
    return (bytes & 0xffff'ffffU) == 0xd400'0001U;  // svc #0
#else
#error "which instruction is a system call on this machine?"
#endif
}

}  // namespace

void Tracee::prepare() {
    struct sigaction action {};
    action.sa_handler = on_alarm;  // and no SA_RESTART
    os::require("cannot handle a signal", [&] { return sigaction(SIGALRM, &action, nullptr); });
    const itimerval glances{.it_interval = kGlance, .it_value = kGlance};
    os::require("cannot set a timer", [&] { return setitimer(ITIMER_REAL, &glances, nullptr); });
}

Tracee::Tracee(const Program& program) {
    const pid_t parent = getpid();
    pid_ = os::require("cannot start a process", [] { return fork(); });
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(kNotTraced);
        }
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        become(program);
    }
    status_ = await({});
    gone_ = !WIFSTOPPED(status_);
    expect(!gone_ && WSTOPSIG(status_) == SIGTRAP,
           "cannot trace " + program.command.front() + ": " + describe_status(status_));
    const auto options =
        static_cast<std::uintptr_t>(PTRACE_O_EXITKILL) | std::uintptr_t{PTRACE_O_TRACESYSGOOD};
    if (ptrace(PTRACE_SETOPTIONS, pid_, nullptr, options) != 0) {
        kill_and_reap();
        throw Failure("ptrace has no PTRACE_O_EXITKILL here");
    }
}

Tracee::~Tracee() {
    kill_and_reap();
}

void Tracee::kill_and_reap() noexcept {
    if (!gone_) {
        kill(pid_, SIGKILL);
        do {
            os::retry([&] { return waitpid(pid_, &status_, __WALL); });
        } while (WIFSTOPPED(status_));
        gone_ = true;
    }
}

int Tracee::await(const OnSleep& on_sleep) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    bool told = !on_sleep;
    int status = 0;
    while (waitpid(pid_, &status, __WALL) != pid_) {
        expect(errno == EINTR, "cannot wait for a traced process");
        if (!told && sleeps(pid_)) {
            told = true;
            on_sleep();
        }
        expect(std::chrono::steady_clock::now() < deadline, "a traced process hangs");
    }
    return status;
}

Tracee::Event Tracee::resume(int request, const OnSleep& on_sleep) {
    for (;;) {
        os::require("cannot let a traced process go on", [&] {
            return ptrace(static_cast<__ptrace_request>(request), pid_, nullptr,
                          static_cast<std::uintptr_t>(signal_));
        });
        signal_ = 0;
        status_ = await(on_sleep);
        if (!WIFSTOPPED(status_)) {
            gone_ = true;
            return Event::kEnd;
        }
        if (WSTOPSIG(status_) == (SIGTRAP | 0x80)) {
            return Event::kCall;
        }
        if (WSTOPSIG(status_) == SIGTRAP) {
            return Event::kTrap;
        }
        signal_ = WSTOPSIG(status_);  // somebody else's, which it gets
    }
}

Tracee::Event Tracee::run(const OnSleep& on_sleep) {
    return resume(PTRACE_CONT, on_sleep);
}
Tracee::Event Tracee::run_to_call(const OnSleep& on_sleep) {
    return resume(PTRACE_SYSCALL, on_sleep);
}
Tracee::Event Tracee::step(const OnSleep& on_sleep) {
    return resume(PTRACE_SINGLESTEP, on_sleep);
}

long Tracee::call() const {
    const __ptrace_syscall_info info = position(pid_);
    return info.op == PTRACE_SYSCALL_INFO_ENTRY ? static_cast<long>(info.entry.nr) : -1;
}

bool Tracee::before_call() const {
    const std::uint64_t at = position(pid_).instruction_pointer;
    errno = 0;
    const long bytes = ptrace(PTRACE_PEEKTEXT, pid_, at, nullptr);
    expect(errno == 0, "cannot read a traced process's next instruction");
    return is_call(static_cast<std::uint64_t>(bytes));
}

void Tracee::murder() {
    expect(!gone_, "the victim had ended before: " + describe_status(status_));
    kill_and_reap();
    expect(WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL,
           "the victim died of something else: " + describe_status(status_));
}

}  // namespace shmipc::crash
