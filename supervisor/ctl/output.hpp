// Standard output, written at once and checked: what cannot be written is an error, and a reader
// that has gone is a reason to end (ReaderGone). Needs SIGPIPE ignored.
#pragma once

#include "styled.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace shmipc::ctl {

/// Whether to colour: `choice` is auto, always or never; `no_color` and `term` are the variables
/// $NO_COLOR (https://no-color.org) and $TERM, null if they are not set.
bool use_colour(std::string_view choice, bool terminal, const char* no_color, const char* term);

class Output {
  public:
    /// Borrows descriptor `fd`.
    Output(int fd, bool colour) noexcept : fd_(fd), colour_(colour) {}

    /// Throws ReaderGone; Failure for what else the system refuses.
    void write(std::string_view text);
    void write(const Line& line);
    void write(const std::vector<Line>& lines);

    [[nodiscard]] int descriptor() const noexcept { return fd_; }
    [[nodiscard]] bool colour() const noexcept { return colour_; }

  private:
    int fd_;
    bool colour_;
};

}  // namespace shmipc::ctl
