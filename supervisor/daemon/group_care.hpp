// The group's objects from the supervisor's side: taken up or created at the start, removed at the
// end.
//
// For the holder of the supervisor's claim only: two supervisors could remove each other's objects.
#pragma once

#include "config/config.hpp"
#include "shared/exit_code.hpp"
#include <shmipc/group.hpp>

#include <string>

namespace shmipc::supervisor {

/// Opens the group, or creates it. Objects that do not fit the configuration are leftovers of a
/// supervisor that was killed: they are removed, with a notice, and made anew, unless messages
/// persist or a worker still runs. Throws Error as Group::create_or_open() does.
Group take_up_group(const Config& config, const SupervisorClaim& claim);

/// Removes the group's objects at the end, if it is time to: after a stop in order unless messages
/// persist; after a start that failed if this supervisor had created them. After the failure of
/// workers they stay, for whoever is started next. Returns `code`, or kGroup if they could not be
/// removed; says so.
ExitCode leave_group(const Config& config, const SupervisorClaim& claim, bool created,
                     ExitCode code);

/// Keeps the claim's file where others look for it.
class ClaimCare {
  public:
    explicit ClaimCare(SupervisorClaim& claim) noexcept : claim_(claim) {}
    /// To be called now and then. What is wrong is logged, once until it is right again.
    void look();

  private:
    SupervisorClaim& claim_;
    std::string told_;
};

}  // namespace shmipc::supervisor
