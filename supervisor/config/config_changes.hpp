// What a fresh configuration changes in a running supervisor, and what only a new one can obey.
// Decisions only.
#pragma once

#include "config.hpp"

#include <string>
#include <vector>

namespace shmipc::supervisor {

struct ConfigChanges {
    std::vector<std::string> applied;  ///< keys: "restart.window", "worker.2.stop_grace"
    /// Keys that are other in the file, and stay as they were until the supervisor is restarted.
    std::vector<std::string> needs_restart;
};

/// Makes `running` what `fresh` says, but for the keys that need a restart. The workers' commands
/// and environments are taken over too, but in neither list: who runs the workers compares them.
ConfigChanges take_over(Config& running, const Config& fresh);

}  // namespace shmipc::supervisor
