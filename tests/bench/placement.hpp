// Which cores are used, and how far apart they are at the moment.
#pragma once

#include "context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace shmipc::bench {

/// The cores that this process may use, in ascending order.
std::vector<int> allowed_cores();

/// "A,B", two different allowed cores; nothing for anything else.
std::optional<std::pair<int, int>> parse_cores(const std::string& text);

/// Round trip of one cache line between the two cores, in nanoseconds: the median of some batches.
/// Throws std::runtime_error if it cannot be measured.
double ping_pong(const Context& context);

/// The same before a point that uses both cores: again some times while they are far apart, and the
/// last one then. Keeps the best in the context.
double probe(Context& context);

}  // namespace shmipc::bench
