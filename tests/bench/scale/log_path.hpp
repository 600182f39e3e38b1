// What logging costs whoever exchanges messages: nothing of it is on the data path, and nobody who
// does not read the log holds anybody up.
#pragma once

#include "figures.hpp"
#include "guard.hpp"

#include <vector>

namespace shmipc::bench {

/// Throws std::runtime_error also if publish or acquire has logged anything.
std::vector<LogRow> measure_log_path(const Place& place, bool quick);

}  // namespace shmipc::bench
