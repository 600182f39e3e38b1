// The whole terminal as a screen: a thin adapter of ncurses. One at a time; standard input and
// output must be a terminal.
//
// Whoever owns it keeps SIGINT, SIGTERM and SIGHUP away from their default dispositions: the
// terminal is restored by the destructor alone.
#pragma once

#include "styled.hpp"
#include "top_model.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace shmipc::ctl {

enum class Key : std::uint8_t { kUp, kDown, kPageUp, kPageDown, kHome, kEnd, kQuit, kOther };

class Screen {
  public:
    /// Throws Failure if $TERM is no terminal that ncurses knows.
    explicit Screen(bool colour);
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen();

    [[nodiscard]] Size size() const noexcept;
    /// After SIGWINCH: takes the new size, and forgets what is on the terminal.
    void resized();
    void draw(const std::vector<Line>& lines) const;
    /// A key that was pressed; nothing if none was. Does not wait.
    std::optional<Key> key();

  private:
    bool utf8_;       ///< the terminal's encoding, by the locale
    void* terminal_;  ///< ncurses' SCREEN
};

}  // namespace shmipc::ctl
