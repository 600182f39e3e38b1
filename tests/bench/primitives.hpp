// What the machine's own operations cost, measured in the same run as what is built from them.
#pragma once

#include "context.hpp"

#include <map>
#include <string>
#include <vector>

namespace shmipc::bench {

inline constexpr std::size_t kMemcpySizes[] = {8, 64, 1024, 65536, 1048576, 8388608};

/// One repeat of all primitives of one core: samples in nanoseconds, by name: load,
/// locked_exchange, full_fence, clock_coarse, clock_precise, memcpy_<bytes>. Throws
/// std::runtime_error if that fails, and Interrupted.
std::map<std::string, std::vector<double>> measure_primitives(const Context& context);

}  // namespace shmipc::bench
