// What the figures are those of.
#pragma once

#include <string>
#include <vector>

namespace shmipc::bench {

struct Machine {
    std::string cpu;
    std::vector<int> cores;  ///< the two that are used
    std::string kernel;
    std::string compiler;
};

Machine this_machine(const std::vector<int>& cores);

}  // namespace shmipc::bench
