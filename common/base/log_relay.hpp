// Lines that another program wrote, passed on in the form of this program's own log: what a
// supervisor does with its workers' standard output.
//
// They have no level that could hide them, no event, and no place in our code; who wrote them
// stands in their fields. While nobody reads the log they may fill only half of what is kept, so
// that a worker that floods cannot keep out what its supervisor has to say about it.
//
// Not for workers: a part of log.hpp that only the supervisor needs.
#pragma once

#include "log.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace shmipc::log {

/// The longest line that relay() writes; what is beyond is cut and marked. The journal cuts
/// nothing.
inline constexpr std::size_t kMaxRelayedLine = std::size_t{16} * 1024;

struct Relayed {
    std::string_view identifier;  ///< SYSLOG_IDENTIFIER
    /// Of a human line, which gets it unless it begins with it already.
    std::string_view prefix;
    int priority = 6;  ///< of syslog(3): 0 to 7
    std::string_view message;
    std::span<const Field> fields;  ///< they win over Options::fields
    /// Format::kJson: the object to write, on one line, in place of one made of the above.
    std::string_view object{};
};
/// Writes the line, whatever the level is, and hands it to the tap as Event::kMessage with its
/// fields.
void relay(const Relayed& line);

/// The format that lines are written in: never kAuto.
[[nodiscard]] Format format() noexcept;

/// `text` as a human line shows it, `limit` bytes of it at the most, what is cut being marked: no
/// control characters, well-formed UTF-8.
std::string printable(std::string_view text, std::size_t limit);

}  // namespace shmipc::log
