#include "child.hpp"

#include "base/os.hpp"

#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

constexpr int kSoftwareError = 70;

int run_child(pid_t parent, const std::function<int()>& body) noexcept {
    try {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            return kSoftwareError;  // it died before the request above
        }
        return body();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "child %d: %s\n", getpid(), error.what());
    }
    return kSoftwareError;
}

}  // namespace

Child::Child(const std::function<int()>& body) {
    std::fflush(nullptr);
    const pid_t parent = getpid();
    pid_ = os::require("cannot start a process", [] { return fork(); });
    if (pid_ == 0) {
        _exit(run_child(parent, body));
    }
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(std::exchange(other.status_, std::nullopt)) {}

Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        end();
        pid_ = std::exchange(other.pid_, -1);
        status_ = std::exchange(other.status_, std::nullopt);
    }
    return *this;
}

Child::~Child() {
    end();
}

void Child::end() noexcept {
    if (pid_ > 0 && !status_) {
        kill(pid_, SIGKILL);
        int status = 0;
        os::retry([&] { return waitpid(pid_, &status, 0); });
    }
    pid_ = -1;
}

void Child::send(int signal) noexcept {
    if (pid_ > 0 && !status_) {
        kill(pid_, signal);
    }
}

std::optional<int> Child::reap(std::chrono::milliseconds timeout) {
    if (status_ || pid_ <= 0) {
        return status_;
    }
    const os::Fd handle(static_cast<int>(
        os::require("cannot open a pidfd", [&] { return syscall(SYS_pidfd_open, pid_, 0); })));
    pollfd ended{.fd = handle.get(), .events = POLLIN, .revents = 0};
    os::require("cannot wait for a process",
                [&] { return poll(&ended, 1, static_cast<int>(timeout.count())); });
    int status = 0;
    const pid_t reaped =
        os::require("cannot reap a process", [&] { return waitpid(pid_, &status, WNOHANG); });
    if (reaped == pid_) {
        status_ = status;
    }
    return status_;
}

bool Child::asleep() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_end = text.rfind(") ");
    return name_end != std::string::npos && text.compare(name_end + 2, 1, "S") == 0;
}

std::string describe_status(int status) {
    return WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status))
                               : "exited with " + std::to_string(WEXITSTATUS(status));
}

}  // namespace shmipc::crash
