// A program in a terminal of its own, as an operator sits before it.
#pragma once

#include "base/os.hpp"

#include <string>
#include <vector>

#include <sys/types.h>
#include <termios.h>

namespace shmipc::test {

/// Killed and reaped by the destructor.
class Pty {
  public:
    Pty(const std::vector<std::string>& command, unsigned short rows, unsigned short columns);
    ~Pty();
    Pty(const Pty&) = delete;
    Pty& operator=(const Pty&) = delete;

    /// Whether `text` comes, after what earlier calls have found, within the patience of tests.
    bool wait_for(const std::string& text);
    /// All bytes that came so far.
    [[nodiscard]] const std::string& output() const noexcept { return output_; }
    void type(const std::string& text) const;
    void resize(unsigned short rows, unsigned short columns) const;
    void signal(int number) const;
    /// As they were before the program was started; it may change them at once.
    [[nodiscard]] const termios& first_modes() const noexcept { return first_modes_; }
    /// As tcgetattr(3) tells them now.
    [[nodiscard]] termios modes() const;
    /// Reads all output to its end, waits, and returns the exit code; −1 if it was no exit.
    int exit_code();

  private:
    bool read_more(int timeout_ms);

    os::Fd master_;
    os::Fd slave_;  ///< kept open: modes can be read after the program's end
    termios first_modes_{};
    pid_t pid_ = -1;
    std::string output_;
    std::size_t consumed_ = 0;
};

bool same_modes(const termios& a, const termios& b);

}  // namespace shmipc::test
