// What an operator types at a console, the supervisor's own or shmipcctl's: bytes become lines, and
// lines orders. Pure.
#pragma once

#include <shmipc/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace shmipc::supervisor {

/// Longer lines are not commands; what is beyond is thrown away, not kept.
inline constexpr std::size_t kLongestConsoleLine = 64;

/// Cuts bytes that arrive in any pieces into lines of bounded length. A line that was longer comes
/// out as one that is no command.
class LineCutter {
  public:
    /// Calls `take` with each line that is complete, without its newline and the blanks around it.
    void feed(std::string_view bytes, const std::function<void(std::string_view line)>& take);

  private:
    std::string line_;
};

/// What a line orders.
struct ConsoleCommand {
    enum class Kind : std::uint8_t { kNothing, kToggle, kQuit, kUnknown };
    Kind kind = Kind::kUnknown;
    WorkerIndex worker{0};
    friend constexpr bool operator==(const ConsoleCommand&, const ConsoleCommand&) = default;
};
ConsoleCommand parse_console_line(std::string_view line, std::uint32_t workers) noexcept;

}  // namespace shmipc::supervisor
