// A forked process for a test: with a line in each direction for handshakes, so that no test needs
// to sleep, and bounded in time.
#pragma once

#include "base/os.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::test {

/// A child that runs `body(line)` and ends with the status that it returns (void: 0), or 99 with
/// the text on standard error if it throws. Killed and reaped by the destructor at the latest.
/// CHECK means nothing in a child: say it in the status.
class Child {
  public:
    static constexpr int kPatienceSeconds = 60;
    static constexpr int kThrown = 99;

    /// One side's end of the two pipes.
    class Line {
      public:
        Line(os::Fd in, os::Fd out) noexcept : in_(std::move(in)), out_(std::move(out)) {}
        /// Sends one number.
        void tell(std::uint64_t value = 0) {
            if (::write(out_.get(), &value, sizeof value) != ssize_t{sizeof value}) {
                throw std::runtime_error("the other side has gone");
            }
        }
        /// Waits for one number.
        std::uint64_t hear() {
            pollfd ready{.fd = in_.get(), .events = POLLIN, .revents = 0};
            int got = 0;
            do {
                got = ::poll(&ready, 1, kPatienceSeconds * 1000);
            } while (got < 0 && errno == EINTR);
            std::uint64_t value = 0;
            if (got != 1 || os::retry([&] { return ::read(in_.get(), &value, sizeof value); }) !=
                                ssize_t{sizeof value}) {
                throw std::runtime_error("nothing was heard from the other side");
            }
            return value;
        }

      private:
        os::Fd in_;
        os::Fd out_;
    };

    /// How it ended.
    struct End {
        int status = -1;     ///< exit status; −1: killed
        int signal = 0;      ///< 0: exited
        std::string errors;  ///< what it wrote to standard error
    };

    template <class Body>
    requires std::is_invocable_v<Body&, Line&>
    explicit Child(Body body) : line_({}, {}) {
        auto [down_out, down_in] = pipe();
        auto [up_out, up_in] = pipe();
        auto [errors_out, errors_in] = pipe();
        std::fflush(nullptr);
        // NOLINTNEXTLINE(cppcoreguidelines-prefer-member-initializer): the pipes come first
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            prepare(errors_in.get());
            down_in.reset();
            up_out.reset();
            Line line(std::move(down_out), std::move(up_in));
            int status = kThrown;
            try {
                if constexpr (std::is_void_v<decltype(body(line))>) {
                    body(line);
                    status = 0;
                } else {
                    status = static_cast<int>(body(line));
                }
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
            } catch (const doctest::detail::TestFailureException&) {
                // FAIL or REQUIRE has said it. The child must not go on in the parent's test.
                std::fflush(nullptr);
            }
            ::_exit(status);
        }
        line_ = Line(std::move(up_out), std::move(down_in));
        errors_ = std::move(errors_out);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    Line& line() noexcept { return line_; }
    void tell(std::uint64_t value = 0) { line_.tell(value); }
    std::uint64_t hear() { return line_.hear(); }

    /// Waits for its end.
    End wait() {
        End end;
        // Until end of file, which a grandchild that holds standard error would delay: the pipe is
        // read while there is something, and then the child is waited for.
        std::array<char, 4096> buffer{};
        pollfd ready{.fd = errors_.get(), .events = POLLIN, .revents = 0};
        int status = 0;
        pid_t reaped = 0;
        while (reaped == 0) {
            reaped = ::waitpid(pid_, &status, WNOHANG);
            while (::poll(&ready, 1, reaped == 0 ? 5 : 0) == 1) {
                const ssize_t got = ::read(errors_.get(), buffer.data(), buffer.size());
                if (got <= 0) {
                    if (reaped == 0) {
                        reaped = ::waitpid(pid_, &status, 0);
                    }
                    break;
                }
                end.errors.append(buffer.data(), static_cast<std::size_t>(got));
            }
        }
        REQUIRE(reaped == std::exchange(pid_, -1));
        end.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        return end;
    }
    /// Kills it, and waits for its end.
    End kill(int signal = SIGKILL) {
        ::kill(pid_, signal);
        return wait();
    }

  private:
    static std::pair<os::Fd, os::Fd> pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        return {os::Fd(ends[0]), os::Fd(ends[1])};
    }
    static void prepare(int errors) {
        // Neither doctest's handlers nor core files; and no test hangs for ever.
        for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGINT}) {
            std::signal(signal, SIG_DFL);
        }
        std::signal(SIGPIPE, SIG_IGN);
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::dup2(errors, STDERR_FILENO);
        ::alarm(2 * kPatienceSeconds);
    }

    pid_t pid_ = -1;
    Line line_;
    os::Fd errors_;
};

}  // namespace shmipc::test
