// A child process that nobody can leak: it dies with its owner's scope, and with its parent.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

namespace shmipc::crash {

class Child {
  public:
    /// Forks, without exec; the child runs `body` and exits with what it returns, without
    /// destructors or exit handlers of the parent's. An exception is printed and exits with 70.
    explicit Child(const std::function<int()>& body);
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// SIGKILL, and reaped.
    ~Child();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// Sends a signal, unless it is reaped already.
    void send(int signal) noexcept;
    /// Waits until it has ended, reaps it, and returns the status that waitpid gave. Nothing if it
    /// still runs after `timeout`.
    std::optional<int> reap(std::chrono::milliseconds timeout);
    /// Whether it waits in the kernel (state S of proc_pid_stat(5)).
    [[nodiscard]] bool asleep() const;

  private:
    void end() noexcept;

    pid_t pid_ = -1;
    std::optional<int> status_;
};

/// "killed by signal 9", "exited with 1".
std::string describe_status(int status);

}  // namespace shmipc::crash
