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

/// Paths at which the socket may be, the first that exists is meant: as named; else where the
/// supervisor of user `uid` with session directory `session` (null: none) makes it, and for an
/// ordinary user the system's service after that.
std::vector<std::string> socket_candidates(const Place& place, uid_t uid, const char* session);

}  // namespace shmipc::ctl
