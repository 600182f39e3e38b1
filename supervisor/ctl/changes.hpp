// What has changed in a group between two reports of its supervisor. Pure.
#pragma once

#include "reports.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace shmipc::ctl {

struct Change {
    /// The state before; nothing if the worker was not known. The new one is in the report.
    std::optional<std::string> from;
    bool state = false;    ///< the state is new, and worth telling
    bool message = false;  ///< there is a message that was not there before
};

class ChangeTracker {
  public:
    /// Compares with the last report of the same worker. Of one that is seen for the first time the
    /// state is worth telling if it does not run, and the message if there is one.
    Change update(const WorkerReport& worker);

  private:
    struct Known {
        std::string state;
        std::uint64_t written = 0;
    };
    std::map<std::uint32_t, Known> known_;
};

/// "worker 1: running -> backoff (killed by signal 9 (KILL))".
std::string describe_state_change(const WorkerReport& worker, const Change& change);

}  // namespace shmipc::ctl
