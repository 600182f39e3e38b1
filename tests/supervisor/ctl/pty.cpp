#include "pty.hpp"

#include "process.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::test {

namespace {

/// In the child, up to exec: only async-signal-safe calls.
[[noreturn]] void become(int slave, char* const* argv) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setsid();
    ::ioctl(slave, TIOCSCTTY, 0);
    ::dup2(slave, STDIN_FILENO);
    ::dup2(slave, STDOUT_FILENO);
    ::dup2(slave, STDERR_FILENO);
    ::execv(argv[0], argv);
    ::_exit(127);
}

}  // namespace

Pty::Pty(const std::vector<std::string>& command, unsigned short rows, unsigned short columns) {
    master_ = os::Fd(
        os::require("posix_openpt", [] { return ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC); }));
    std::array<char, 64> name{};
    if (::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0 ||
        ::ptsname_r(master_.get(), name.data(), name.size()) != 0) {
        throw std::system_error(errno, std::generic_category(), "pseudo-terminal");
    }
    slave_ = os::Fd(os::require(
        "open(pty)", [&] { return ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC); }));
    resize(rows, columns);
    first_modes_ = modes();
    ::setenv("TERM", "xterm", 1);
    ::setenv("LC_ALL", "C.UTF-8", 1);
    std::vector<std::string> arguments = command;
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    pid_ = os::require("fork", [] { return ::fork(); });
    if (pid_ == 0) {
        become(slave_.get(), argv.data());
    }
}

Pty::~Pty() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

bool Pty::read_more(int timeout_ms) {
    pollfd ready{.fd = master_.get(), .events = POLLIN, .revents = 0};
    if (os::retry([&] { return ::poll(&ready, 1, timeout_ms); }) <= 0) {
        return false;
    }
    std::array<char, 4096> bytes{};
    const auto length =
        os::retry([&] { return ::read(master_.get(), bytes.data(), bytes.size()); });
    if (length > 0) {
        output_.append(bytes.data(), static_cast<std::size_t>(length));
    }
    return length > 0;
}

bool Pty::wait_for(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        if (const std::size_t at = output_.find(text, consumed_); at != std::string::npos) {
            consumed_ = at + text.size();
            return true;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0 || !read_more(static_cast<int>(left.count()))) {
            return false;
        }
    }
}

void Pty::type(const std::string& text) const {
    os::require("write(pty)", [&] { return ::write(master_.get(), text.data(), text.size()); });
}

void Pty::resize(unsigned short rows, unsigned short columns) const {
    const winsize size{rows, columns, 0, 0};
    os::require("ioctl(TIOCSWINSZ)", [&] { return ::ioctl(master_.get(), TIOCSWINSZ, &size); });
}

void Pty::signal(int number) const {
    ::kill(pid_, number);
}

termios Pty::modes() const {
    termios modes{};
    os::require("tcgetattr", [&] { return ::tcgetattr(slave_.get(), &modes); });
    return modes;
}

int Pty::exit_code() {
    const os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    bool ended = false;
    while (!ended && std::chrono::steady_clock::now() < deadline) {
        // Output must be taken, or the program blocks in it.
        pollfd ends[]{{.fd = process.get(), .events = POLLIN, .revents = 0},
                      {.fd = master_.get(), .events = POLLIN, .revents = 0}};
        os::retry([&] { return ::poll(ends, 2, 1000); });
        if (ends[1].revents != 0) {
            read_more(0);
        }
        ended = ends[0].revents != 0;
    }
    while (read_more(0)) {
    }
    int status = 0;
    if (!ended || ::waitpid(pid_, &status, 0) != pid_) {
        return -1;
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool same_modes(const termios& a, const termios& b) {
    return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
           a.c_lflag == b.c_lflag && std::memcmp(a.c_cc, b.c_cc, sizeof a.c_cc) == 0;
}

}  // namespace shmipc::test
