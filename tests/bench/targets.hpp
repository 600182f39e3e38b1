// The bounds that shmipc is to keep, in terms of what the machine's primitives cost in the same
// run.
#pragma once

#include "run.hpp"

#include <string>
#include <vector>

namespace shmipc::bench {

struct Target {
    std::string line;
    double measured = 0;
    double bound = 0;
    std::string bound_text;
    bool met = false;
    std::string unit;
};

/// Those of which the run has measured all that they need.
std::vector<Target> judge(const RunResult& run);

/// Whether a message of shmipc was torn or reversed.
bool harmed(const RunResult& run);

}  // namespace shmipc::bench
