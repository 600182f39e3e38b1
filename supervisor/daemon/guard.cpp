#include "guard.hpp"

#include "base/os.hpp"
#include "former_life.hpp"
#include <shmipc/supervision.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr const char* kLifeVariable = "SHMIPC_GUARD";
/// The guard's descriptor of the supervisor; 0 to 2 lead nowhere, and there is no other.
constexpr int kSupervisor = 3;
constexpr std::chrono::seconds kPatience{10};

/// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(int supervisor, int null, char* const* arguments,
                         char* const* environment) noexcept {
    // A session of its own: what is sent to the supervisor's group, or comes from its terminal, is
    // not for the guard. All signals stay blocked, over exec too.
    ::setsid();
    constexpr int kParked = 16;
    const int parked = ::fcntl(supervisor, F_DUPFD, kParked);
    const int nowhere = ::fcntl(null, F_DUPFD, kParked);
    if (parked >= 0 && nowhere >= 0 && ::dup2(nowhere, STDIN_FILENO) >= 0 &&
        ::dup2(nowhere, STDOUT_FILENO) >= 0 && ::dup2(nowhere, STDERR_FILENO) >= 0 &&
        ::dup2(parked, kSupervisor) >= 0 && ::close_range(kSupervisor + 1, ~0U, 0) == 0) {
        ::execve("/proc/self/exe", arguments, environment);
    }
    ::_exit(1);
}

}  // namespace

Guard::Guard(std::string file, std::string life) : file_(std::move(file)), life_(std::move(life)) {
    start();
}

Guard::~Guard() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        os::retry([&] { return ::waitpid(pid_, nullptr, 0); });  // SIGKILL is not waited for long
    }
}

void Guard::check() {
    if (pid_ > 0 && os::retry([&] { return ::waitpid(pid_, nullptr, WNOHANG); }) != 0) {
        pid_ = -1;
    }
    if (pid_ < 0) {
        start();
    }
}

void Guard::start() {
    const os::Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    const os::Fd null(os::retry([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }));
    if (!self || !null) {
        return;
    }
    std::string name = kGuardName;
    std::vector<std::string> variables{std::string(kLifeVariable) + "=" + life_};
    // A supervisor that is itself below a worker: its guard belongs to that worker too.
    if (const char* const outer = std::getenv(supervision::kLaunchVariable)) {
        variables.push_back(std::string(supervision::kLaunchVariable) + "=" + outer);
    }
    const std::array<char*, 3> arguments{name.data(), file_.data(), nullptr};
    std::vector<char*> environment;
    environment.reserve(variables.size() + 1);
    for (std::string& variable : variables) {
        environment.push_back(variable.data());
    }
    environment.push_back(nullptr);
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) {
        become(self.get(), null.get(), arguments.data(), environment.data());
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pid_ = pid;
}

int run_guard(int argc, char** argv) noexcept {
    ::prctl(PR_SET_NAME, kGuardName);
    const char* const life = std::getenv(kLifeVariable);
    if (argc != 2 || life == nullptr) {
        return 64;
    }
    pollfd ended{.fd = kSupervisor, .events = POLLIN, .revents = 0};
    if (os::retry([&] { return ::poll(&ended, 1, -1); }) != 1 || (ended.revents & POLLIN) == 0) {
        return 1;
    }
    try {
        // The next supervisor may have put a file of its own there already: that is not ours.
        FormerLife former = read_former_life(argv[1]);
        if (former.life != life) {
            former = {.life = life, .processes = {}};
        }
        end_life(former, kPatience);
    } catch (const std::exception&) {
        return 1;  // out of memory: the next supervisor looks once more
    }
    return 0;
}

}  // namespace shmipc::supervisor
