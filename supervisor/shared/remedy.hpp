// Commands that people are told to run: they name group and unit, since they are run as they stand.
// Pure functions.
#pragma once

#include <string>

namespace shmipc::supervisor {

/// The system's service of a group: "shmipc", "shmipc@demo".
inline std::string unit_of(const std::string& group) {
    return group == "shmipc" ? group : "shmipc@" + group;
}

/// "shmipcctl --group demo start 1". Always with the group: the default is another's.
inline std::string ctl_command(const std::string& group, const std::string& order) {
    return "shmipcctl --group " + group + " " + order;
}

}  // namespace shmipc::supervisor
