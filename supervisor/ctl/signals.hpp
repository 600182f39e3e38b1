// Signals as people name them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shmipc::ctl {

/// The number of "9", "KILL", "SIGKILL", "kill"; 1 to 64. Nothing for anything else.
std::optional<int> parse_signal(std::string_view text);

/// "signal 9 (KILL)".
std::string describe_signal(int number);

}  // namespace shmipc::ctl
