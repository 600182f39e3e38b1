// Why a group is not whole, in one line: which workers, what became of them, how often, and who
// only waits for whom. Pure functions.
//
// For the service manager's status line and the log, where 1,024 workers must not make 1,024 texts:
// workers of one fate are named together, and of many fates only the first.
#pragma once

#include <shmipc/ids.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::supervisor {

/// A worker that should be ready and is not.
struct Trouble {
    enum class Kind : std::uint8_t {
        kFailed,   ///< given up, or cannot be executed
        kDying,    ///< died, and is tried again
        kLate,     ///< there, and not ready; `reason` may say what it does
        kWaiting,  ///< only waits for one that has never been there
    };
    WorkerIndex worker{0};
    Kind kind = Kind::kLate;
    std::string reason;       ///< "exited with status 3"; may be empty
    std::uint32_t times = 0;  ///< deaths in a row; told from 2 on
    friend bool operator==(const Trouble&, const Trouble&) = default;
};

/// "worker 1 failed: exited with status 3, 11 times in a row; workers 0, 2 wait for worker 1".
/// `missing`: those that have never been there. Empty if there is no trouble.
std::string describe_troubles(const std::vector<Trouble>& troubles,
                              const std::vector<WorkerIndex>& missing);

}  // namespace shmipc::supervisor
