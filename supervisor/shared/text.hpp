// Small texts that people write and read, beyond base/units.hpp: plain numbers, exact durations,
// and the word that somebody may have meant. Pure functions.
#pragma once

#include <shmipc/ids.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::supervisor {

/// A decimal number without sign, of `maximum` at the most.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum) noexcept;

/// "90s", "250ms", "1h": as parse_duration() reads it, in the largest unit that is exact.
std::string to_text(std::chrono::milliseconds duration);

/// "worker 1", "workers 0, 2-5", in the order in which they are given.
std::string name_workers(const std::vector<WorkerIndex>& workers);

/// The word with the fewest changes of a letter from `word`; empty if none is similar.
std::string nearest(std::string_view word, const std::vector<std::string>& words);

}  // namespace shmipc::supervisor
