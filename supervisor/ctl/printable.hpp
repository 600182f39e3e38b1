// Text that came from elsewhere (the supervisor, a payload's name) made fit for a terminal: nothing
// in it can move the cursor, ring, or turn the writing round. Pure functions.
#pragma once

#include <boost/json/value.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace shmipc::ctl {

/// `text` on one line: bytes that are no well-formed UTF-8, and characters that are not printed but
/// obeyed, as "\x1b" or "\u{202e}".
std::string printable(std::string_view text);

/// The same, but newlines and tabulators stay.
std::string printable_lines(std::string_view text);

/// Columns of a terminal that printable text takes.
std::size_t columns_of(std::string_view text) noexcept;

/// `text`, or as much from its start as has room in `columns`, with "…" at the end then.
std::string clip(std::string_view text, std::size_t columns);

/// "68 65 6c", or "68656c" without `separator`.
std::string hexadecimal(std::span<const std::byte> bytes, std::string_view separator);

/// JSON on one line, in which what is not printable is escaped, as JSON allows.
std::string json_line(const boost::json::value& value);

}  // namespace shmipc::ctl
