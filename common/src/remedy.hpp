// Remedies in the texts of errors. They are run as they stand, so they name the group that is
// meant: without a name they would hit another one.
#pragma once

#include <string>

namespace shmipc::detail {

/// "shmipcctl --group demo clean".
inline std::string clean_command(const std::string& group) {
    return "shmipcctl --group " + group + " clean";
}

/// The unit that runs the group as a service: "shmipc@demo".
inline std::string unit_of(const std::string& group) {
    return group == "shmipc" ? group : "shmipc@" + group;
}

}  // namespace shmipc::detail
