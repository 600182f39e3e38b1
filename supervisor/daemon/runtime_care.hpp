// Looks once a second after what a supervisor has in its runtime directory: somebody tidies /tmp,
// or logind removes /run/user/UID at logout, and a supervisor that runs on could neither be reached
// nor be known to run.
//
// What is gone is made anew, and told once; what cannot be made is told once, and tried again.
// Connections that are there go on. One thread.
#pragma once

#include "lock.hpp"
#include "operator_stops.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::supervisor {

class RuntimeCare {
  public:
    struct Kept {
        std::string group;  ///< for remedies
        std::string directory;
        bool open_to_all = false;  ///< open_runtime_directory()
        std::string lock_path;
        std::string socket_path;
        SupervisorLock& lock;
        const OperatorStops& stops;
        std::function<bool()> has_socket;
        /// May throw Error.
        std::function<void()> renew_socket;
    };

    /// What `kept` refers to outlives this.
    explicit RuntimeCare(Kept kept) : kept_(std::move(kept)) {}

    void look();

  private:
    /// Adds to `renewed` what was missing and is there again. Throws Error.
    void renew(std::vector<std::string>& renewed);
    void tell_failure(const std::string& reason);

    Kept kept_;
    std::string told_;  ///< the failure that was told last; empty: none since all was well
};

}  // namespace shmipc::supervisor
