#include "keeper/child.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

/// Only a hang reaches it.
constexpr int kPatienceMs = 60'000;

bool readable(int fd) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    return os::retry([&] { return ::poll(&waiting, 1, kPatienceMs); }) == 1;
}

/// All that the child says through the descriptor of readiness, line by line.
std::vector<std::string> words_of(const Child& child) {
    std::string text;
    char buffer[4096];
    while (readable(child.ready.get())) {
        const ssize_t got = ::read(child.ready.get(), buffer, sizeof(buffer));
        if (got <= 0) {
            break;
        }
        text.append(buffer, static_cast<std::size_t>(got));
    }
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

int status_of(const Child& child) {
    REQUIRE(child.pidfd);
    REQUIRE(readable(child.pidfd.get()));
    int status = -1;
    REQUIRE(::waitpid(child.pid, &status, WNOHANG) == child.pid);
    return status;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
}

/// Puts this process into the worst state to be born from, and back.
class BadParent {
  public:
    BadParent() {
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGPIPE, &ignore, &pipe_before_);
        ::sigaction(SIGHUP, &ignore, &hangup_before_);
        struct sigaction handler {};
        handler.sa_handler = [](int) {};
        ::sigaction(SIGUSR2, &handler, &user_before_);
        sigset_t some;
        ::sigemptyset(&some);
        ::sigaddset(&some, SIGUSR1);
        ::sigaddset(&some, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &some, &mask_before_);
        leaked_ = os::Fd(::fcntl(STDERR_FILENO, F_DUPFD, 40));  // no close-on-exec
    }
    ~BadParent() {
        ::sigaction(SIGPIPE, &pipe_before_, nullptr);
        ::sigaction(SIGHUP, &hangup_before_, nullptr);
        ::sigaction(SIGUSR2, &user_before_, nullptr);
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    }
    BadParent(const BadParent&) = delete;
    BadParent& operator=(const BadParent&) = delete;

  private:
    struct sigaction pipe_before_ {};
    struct sigaction hangup_before_ {};
    struct sigaction user_before_ {};
    sigset_t mask_before_{};
    os::Fd leaked_;
};

ChildSpec born(std::vector<std::string> arguments = {"born"}) {
    ChildSpec spec;
    spec.program = SHMIPC_TEST_BORN;
    spec.arguments = std::move(arguments);
    spec.environment = {"ONLY=this"};
    return spec;
}

}  // namespace

TEST_CASE("a child is born clean, whatever its parent is like") {
    const BadParent parent;
    ChildSpec spec = born({"name", "a b", ""});
    spec.open_files = rlimit{.rlim_cur = 123, .rlim_max = 456};
    const Child child = spawn(spec);
    const std::vector<std::string> lines = words_of(child);
    const int status = status_of(child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK_FALSE(exec_error(child.exec));
    for (const auto* line :
         {"descriptors 0 1 2 3", "blocked", "not-default", "input /dev/null", "death-signal 9",
          "group-leader yes", "files 123", "argument name", "argument a b", "argument "}) {
        CAPTURE(line);
        CHECK(has(lines, line));
    }
    CHECK(has(lines, "parent " + std::to_string(::getpid())));
    std::vector<std::string> environment;
    for (const std::string& line : lines) {
        if (line.rfind("environment ", 0) == 0 && line.find("SAN_") == std::string::npos) {
            environment.push_back(line);
        }
    }
    CHECK(environment == std::vector<std::string>{"environment ONLY=this"});
}

TEST_CASE("a child has standard output and error, whatever its parent has") {
    const os::Fd output(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 20));
    const os::Fd errors(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 20));
    for (const bool closed : {true, false}) {
        CAPTURE(closed);
        if (closed) {
            ::close(STDOUT_FILENO);
            ::close(STDERR_FILENO);
        } else {  // as somebody who opens /dev/null there without thinking of his children
            ::dup3(output.get(), STDOUT_FILENO, O_CLOEXEC);
            ::dup3(errors.get(), STDERR_FILENO, O_CLOEXEC);
        }
        const Child child = spawn(born());
        ::dup2(output.get(), STDOUT_FILENO);
        ::dup2(errors.get(), STDERR_FILENO);
        CHECK(has(words_of(child), "descriptors 0 1 2 3"));
        CHECK(WEXITSTATUS(status_of(child)) == 0);
    }
}

TEST_CASE("a child is told which pipe it is ready on") {
    ChildSpec spec = born();
    spec.environment.emplace_back("SHMIPC_READY_FD=3");
    const Child child = spawn(spec);
    CHECK(has(words_of(child),
              "environment SHMIPC_READY_PIPE=" + os::device_and_inode(child.ready.get())));
    status_of(child);
}

TEST_CASE("giving birth leaves the parent's own mask and descriptors as they were") {
    const auto descriptors = [] {
        int count = 0;
        for (int fd = 0; fd < 256; ++fd) {
            count += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0;
        }
        return count;
    };
    sigset_t before;
    ::sigprocmask(SIG_BLOCK, nullptr, &before);
    const int open_before = descriptors();
    for (int i = 0; i < 20; ++i) {
        const Child child = spawn(born());
        words_of(child);
        status_of(child);
    }
    CHECK(descriptors() == open_before);
    sigset_t after;
    ::sigprocmask(SIG_BLOCK, nullptr, &after);
    for (int signal = 1; signal < NSIG; ++signal) {
        CHECK(::sigismember(&before, signal) == ::sigismember(&after, signal));
    }
}

TEST_CASE("a program that cannot be executed is told by its errno") {
    const auto error_for = [](const std::string& program) {
        ChildSpec spec = born();
        spec.program = program;
        const Child child = spawn(spec);
        const int status = status_of(child);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 127);
        return exec_error(child.exec);
    };
    CHECK(error_for("/nonexistent/worker") == ENOENT);
    CHECK(error_for("/") == EACCES);
    // A file that root may read but nobody may execute, and one that is no program.
    const std::string file = "/tmp/shmipc-child-test-" + std::to_string(::getpid());
    os::Fd text(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    REQUIRE(::write(text.get(), "\x01\x02", 2) == 2);
    CHECK(error_for(file) == EACCES);
    REQUIRE(::fchmod(text.get(), 0700) == 0);
    CHECK(error_for(file) == ETXTBSY);  // it is still open for writing
    text.reset();
    CHECK(error_for(file) == ENOEXEC);
    ::unlink(file.c_str());
}

TEST_CASE("a child that execs and exits with 127 is no exec failure") {
    ChildSpec spec = born({"sh", "-c", "exit 127"});
    spec.program = "/bin/sh";
    const Child child = spawn(spec);
    CHECK(WEXITSTATUS(status_of(child)) == 127);
    CHECK_FALSE(exec_error(child.exec));
}

TEST_CASE("a group kill right after birth reaches the child") {
    for (int i = 0; i < 50; ++i) {
        const Child child = spawn(born());
        REQUIRE(::kill(-child.pid, SIGKILL) == 0);
        const int status = status_of(child);
        // It may have been quicker; most are not.
        CHECK((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
    }
}
