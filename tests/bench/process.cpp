#include "process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::bench {

namespace {

sigset_t ending_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void tell_failure(Board& board, const char* what) {
    // (1) acq_rel: the first one takes the text; it is read when all processes have ended.
    if (board.failed.exchange(1, std::memory_order_acq_rel) == 0) {
        std::strncpy(board.reason.data(), what, board.reason.size() - 1);
    }
}

std::string describe(const Board& board, int status) {
    if (board.failed.load(std::memory_order_acquire) != 0) {  // pairs with (1)
        return board.reason.data();
    }
    if (WIFSIGNALED(status)) {
        return "a process was killed by signal " + std::to_string(WTERMSIG(status));
    }
    return "a process exited with status " + std::to_string(WEXITSTATUS(status));
}

int remaining_ms(std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

}  // namespace

Interrupted::Interrupted(int number)
    : std::runtime_error("interrupted by signal " + std::to_string(number)), signal(number) {}

Signals::Signals() {
    const sigset_t set = ending_signals();
    os::require("sigprocmask", [&] { return sigprocmask(SIG_BLOCK, &set, nullptr); });
    descriptor_ = os::Fd(
        os::require("signalfd", [&] { return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); }));
}

void Signals::check() const {
    signalfd_siginfo info{};
    if (read(descriptor_.get(), &info, sizeof info) == sizeof info) {
        throw Interrupted(static_cast<int>(info.ssi_signo));
    }
}

SharedBoard::SharedBoard() {
    void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(), "mmap");
    }
    board_ = new (memory) Board{};
}
SharedBoard::~SharedBoard() {
    munmap(board_, sizeof(Board));
}

void meet(Board& board, std::uint32_t count) {
    // (2) acq_rel, pairs with the load: what one did before is visible to all after.
    board.arrived.fetch_add(1, std::memory_order_acq_rel);
    while (board.arrived.load(std::memory_order_acquire) < count) {
        sched_yield();
    }
}

void keep_samples(Board& board, std::size_t of, std::span<const double> samples) {
    const std::size_t count = std::min(samples.size(), kMaxSamples);
    std::copy_n(samples.begin(), count, board.samples[of].begin());
    board.sample_counts[of] = static_cast<std::uint32_t>(count);
}

std::vector<double> kept_samples(const Board& board, std::size_t of) {
    return {board.samples[of].begin(), board.samples[of].begin() + board.sample_counts[of]};
}

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected) {
    // Acquire: pairs with the release store of whoever wakes.
    while (word.load(std::memory_order_acquire) == expected) {
        syscall(SYS_futex, &word, FUTEX_WAIT, expected, nullptr, nullptr, 0);
    }
}
void futex_wake_all(std::atomic<std::uint32_t>& word) {
    syscall(SYS_futex, &word, FUTEX_WAKE, kMaxProcesses, nullptr, nullptr, 0);
}

void pin_to(int core) {
    if (core == kAnyCore) {
        return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(core), &set);
    os::require("sched_setaffinity", [&] { return sched_setaffinity(0, sizeof set, &set); });
}

namespace {

pid_t fork_flushed() {
    // So that no text is in the buffers of both, should the child flush its own.
    std::fflush(nullptr);
    return fork();
}

}  // namespace

Child::Child(const std::function<void()>& body, int on_parent_death)
    : parent_(getpid()), pid_(fork_flushed()) {
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, on_parent_death);
        if (getppid() != parent_) {
            _exit(EXIT_FAILURE);
        }
        const sigset_t set = ending_signals();
        sigprocmask(SIG_UNBLOCK, &set, nullptr);
        body();
        // Not _exit(): libraries say goodbye to their daemons in the destructors of their statics.
        std::exit(EXIT_SUCCESS);
    }
    if (pid_ < 0) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
    descriptor_ = os::Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (!descriptor_) {
        const int error = errno;
        kill(pid_, SIGKILL);
        reap();
        throw std::system_error(error, std::generic_category(), "pidfd_open");
    }
}

Child::Child(Child&& other) noexcept
    : parent_(other.parent_),
      pid_(std::exchange(other.pid_, -1)),
      descriptor_(std::move(other.descriptor_)) {}

Child::~Child() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        reap();
    }
}

int Child::reap() {
    int status = 0;
    os::retry([&] { return waitpid(pid_, &status, 0); });
    pid_ = -1;
    return status;
}

bool Child::terminate(std::chrono::milliseconds patience) {
    kill(pid_, SIGTERM);
    pollfd ended{.fd = descriptor(), .events = POLLIN, .revents = 0};
    if (os::retry([&] { return poll(&ended, 1, static_cast<int>(patience.count())); }) <= 0) {
        return false;
    }
    reap();
    return true;
}

std::string run_jobs(const Signals& signals, Board& board, const std::vector<Job>& jobs,
                     std::chrono::seconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    std::vector<Child> children;
    children.reserve(jobs.size());
    for (const Job& job : jobs) {
        children.emplace_back(
            [&] {
                try {
                    pin_to(job.core);
                    job.body();
                } catch (const std::exception& error) {
                    tell_failure(board, error.what());
                    _exit(EXIT_FAILURE);
                }
            },
            SIGKILL);
    }
    while (!children.empty()) {
        std::vector<pollfd> polled{{.fd = signals.descriptor(), .events = POLLIN, .revents = 0}};
        for (const Child& child : children) {
            polled.push_back({.fd = child.descriptor(), .events = POLLIN, .revents = 0});
        }
        if (os::retry([&] { return poll(polled.data(), polled.size(), remaining_ms(deadline)); }) ==
            0) {
            return "not done after " + std::to_string(patience.count()) + " s";
        }
        signals.check();
        std::vector<Child> running;
        for (std::size_t i = 0; i < children.size(); ++i) {
            if (polled[i + 1].revents == 0) {
                running.push_back(std::move(children[i]));
            } else if (const int status = children[i].reap(); status != 0) {
                return describe(board, status);
            }
        }
        children = std::move(running);
    }
    return {};
}

}  // namespace shmipc::bench
