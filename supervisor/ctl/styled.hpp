// Lines of text with a meaning of their own instead of colours: pure functions make them, and
// either a stream (output.hpp) or a screen (screen.hpp) shows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::ctl {

enum class Style : std::uint8_t {
    kPlain,
    kGood,     ///< green
    kWaiting,  ///< yellow
    kBad,      ///< red
    kDim,
    kHeading,  ///< bold
    kReverse,
};

/// Printable text (printable.hpp).
struct Span {
    std::string text;
    Style style = Style::kPlain;
    friend bool operator==(const Span&, const Span&) = default;
};

using Line = std::vector<Span>;

Line plain_line(std::string text, Style style = Style::kPlain);

/// The text alone.
std::string text_of(const Line& line);

/// With the control sequences of colour terminals (ECMA-48) if `colour`; without a newline.
std::string to_ansi(const Line& line, bool colour);

/// As much of it as has room in `columns`.
Line clip(const Line& line, std::size_t columns);

}  // namespace shmipc::ctl
