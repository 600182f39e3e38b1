// A child process under test: its output line by line, its end, and no way to outlive the test.
#pragma once

#include "base/os.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::test {

/// Generous: only a hang reaches it.
inline constexpr std::chrono::seconds kPatience{60};

/// Killed and reaped by the destructor; killed by the kernel if the test itself dies.
class Process {
  public:
    /// Runs `command` with standard output and error in one pipe, and `environment` ("NAME=value")
    /// added to ours, or in place of what ours says.
    explicit Process(const std::vector<std::string>& command,
                     const std::vector<std::string>& environment = {});
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// Reads lines until one contains `text`, and returns it; nothing at the end of output, or when
    /// patience is at its end.
    std::optional<std::string> wait_for_line(const std::string& text);
    /// All that was read so far, for messages.
    [[nodiscard]] const std::string& output() const noexcept { return output_; }
    void signal(int number) const;
    /// Reads all output to its end and waits. Status as waitpid(2) tells it; nothing when patience
    /// is at its end.
    std::optional<int> wait();
    /// Exit code of wait(), or −1 if it did not exit by itself.
    int exit_code();

  private:
    bool read_more(std::chrono::steady_clock::time_point deadline);

    pid_t pid_ = -1;
    os::Fd out_;
    std::string output_;
    std::size_t consumed_ = 0;
};

/// A group name of this process's own; its objects are removed by the destructor.
class TestGroup {
  public:
    TestGroup();
    ~TestGroup();
    TestGroup(const TestGroup&) = delete;
    TestGroup& operator=(const TestGroup&) = delete;
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

  private:
    std::string name_;
};

}  // namespace shmipc::test
