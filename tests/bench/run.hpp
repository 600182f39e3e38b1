// Runs the points, repeated and interleaved, and sums them up.
#pragma once

#include "machine.hpp"
#include "points.hpp"
#include "statistics.hpp"

#include <map>
#include <string>
#include <vector>

namespace shmipc::bench {

struct RunOptions {
    Selection what;
    std::vector<int> cores;  ///< one or two
};

struct Result {
    Workload kind = Workload::kPublish;
    std::string workload;
    std::string peer;
    Setting setting;
    std::string unit;
    Summary summary;  ///< no repeats: `note` says why
    std::string note;
    bool impossible = false;  ///< this peer cannot do it; otherwise no repeats mean a failure
    std::uint64_t torn = 0;
    std::uint64_t reversed = 0;
};

struct RunResult {
    Machine machine;
    bool quick = false;
    std::map<std::string, Summary> primitives;  ///< in nanoseconds
    std::vector<Result> results;
};

/// Throws Interrupted, and std::runtime_error if the machine's primitives cannot be measured;
/// points that fail are told in their results.
RunResult run(const Signals& signals, const RunOptions& options);

}  // namespace shmipc::bench
