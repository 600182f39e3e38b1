// Where the supervisor of a group listens. Pure.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::ctl {

/// The options that choose a supervisor.
struct Place {
    std::string group = "shmipc";
    std::string socket;       ///< --socket; empty: not given
    std::string runtime_dir;  ///< --runtime-dir; empty: not given

    /// "shmipcctl --group demo autopsy 1": how to call shmipcctl for the same supervisor.
    [[nodiscard]] std::string command(const std::string& command) const;
};

/// What tells where a supervisor may be, if no option does.
struct Surroundings {
    uid_t uid = 0;
    const char* session = nullptr;  ///< $XDG_RUNTIME_DIR; null: not set
    const char* service = nullptr;  ///< $RUNTIME_DIRECTORY: we are part of a service; null: not set
};

/// Paths at which the socket may be, the first that exists is meant: as named; else that of the
/// service that this process is part of; else where a supervisor of the same user makes it; else
/// those of the system's units: the place of all groups, and the group's own, which a unit with a
/// User= of its own uses.
std::vector<std::string> socket_candidates(const Place& place, const Surroundings& here);

}  // namespace shmipc::ctl
