// Durations and sizes as people write them in options and configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmipc {

/// "250ms", "1.5s", "10us", "2m", "1h", "40ns": a number of up to nine digits before and after the
/// point, and its unit, with nothing between. Nothing for anything else; a bare number has no unit
/// and is refused, except "0".
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept;

/// "64", "4KiB", "16MiB", "1GiB", "500B": whole bytes. Nothing for anything else, nor beyond 2^63.
std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept;

/// "2.1 s", "17 ms", "3 h 12 min": for people, two significant places or so.
std::string describe_duration(std::chrono::nanoseconds duration);

}  // namespace shmipc
