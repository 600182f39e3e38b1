#include "process.hpp"

#include <shmipc/group.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::test {

namespace {

/// execve's null-terminated array; borrows the strings.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (std::string& text : strings) {
        result.push_back(text.data());
    }
    result.push_back(nullptr);
    return result;
}

/// What a service manager or a container says to the tests is not meant for what they start.
bool is_a_managers(const std::string& name) {
    return name == "NOTIFY_SOCKET=" || name == "SYSTEMD_EXEC_PID=" || name == "JOURNAL_STREAM=" ||
           name == "INVOCATION_ID=" || name.starts_with("WATCHDOG_") || name.starts_with("LISTEN_");
}

/// Ours, but for a manager's variables, and those that are added with a value of their own.
std::vector<std::string> environment_with(const std::vector<std::string>& added) {
    std::vector<std::string> result = added;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string ours = *entry;
        const std::string name = ours.substr(0, ours.find('=') + 1);
        if (!is_a_managers(name) && std::ranges::none_of(added, [&](const std::string& other) {
                return other.starts_with(name);
            })) {
            result.push_back(ours);
        }
    }
    return result;
}

int remaining_ms(std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

}  // namespace

Process::Process(const std::vector<std::string>& command,
                 const std::vector<std::string>& environment) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe2");
    }
    out_ = os::Fd(ends[0]);
    const os::Fd in(ends[1]);
    std::vector<std::string> arguments = command;
    std::vector<std::string> variables = environment_with(environment);
    const std::vector<char*> argv = pointers_to(arguments);
    const std::vector<char*> envp = pointers_to(variables);
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(127);
        }
        const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        dup2(null, STDIN_FILENO);
        dup2(in.get(), STDOUT_FILENO);
        dup2(in.get(), STDERR_FILENO);
        execve(argv[0], argv.data(), envp.data());
        _exit(127);
    }
    if (pid_ < 0) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::move(other.out_)),
      output_(std::move(other.output_)),
      consumed_(other.consumed_) {}

Process::~Process() {
    if (pid_ > 0) {
#ifdef SHMIPC_COVERAGE
        // What it has run is counted when it ends by itself. Who does not is killed all the same.
        const os::Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
        pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
        ::kill(pid_, SIGTERM);
        os::retry([&] { return poll(&ended, 1, 5000); });
#endif
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

bool Process::read_more(std::chrono::steady_clock::time_point deadline) {
    pollfd ready{.fd = out_.get(), .events = POLLIN, .revents = 0};
    if (os::retry([&] { return poll(&ready, 1, remaining_ms(deadline)); }) <= 0) {
        return false;
    }
    std::array<char, 4096> buffer{};
    const auto got = os::retry([&] { return read(out_.get(), buffer.data(), buffer.size()); });
    if (got <= 0) {
        return false;
    }
    output_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
}

std::optional<std::string> Process::wait_for_line(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        for (std::size_t end = output_.find('\n', consumed_); end != std::string::npos;
             end = output_.find('\n', consumed_)) {
            const std::string line = output_.substr(consumed_, end - consumed_);
            consumed_ = end + 1;
            if (line.find(text) != std::string::npos) {
                return line;
            }
        }
        if (!read_more(deadline)) {
            return std::nullopt;
        }
    }
}

void Process::signal(int number) const {
    ::kill(pid_, number);
}

std::optional<int> Process::wait() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (read_more(deadline)) {
    }
    const os::Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
    if (os::retry([&] { return poll(&ended, 1, remaining_ms(deadline)); }) <= 0) {
        return std::nullopt;
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
}

int Process::exit_code() {
    const auto status = wait();
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

TestGroup::TestGroup() {
    static std::atomic<int> count{0};
    name_ = "test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

TestGroup::~TestGroup() {
    std::error_code error;
    Group::remove(name_, error);
}

}  // namespace shmipc::test
