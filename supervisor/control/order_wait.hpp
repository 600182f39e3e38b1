// A client that waits for its order to be carried out.
#pragma once

#include "daemon/supervisor.hpp"
#include "keeper/worker_state.hpp"
#include "varlink/server.hpp"
#include <shmipc/ids.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace shmipc::supervisor {

/// What has become of an order for one worker, by its state now.
enum class OrderOutcome : std::uint8_t { kPending, kDone, kFailed, kOverridden };

/// `order`: kStart, kRestart, kStop or kToggle (always kDone). `launched`: the worker was launched
/// since the order was given, which was obeyed at once. Pure.
OrderOutcome outcome_of(Event order, State state, bool launched) noexcept;

class OrderWait {
  public:
    struct Target {
        WorkerIndex worker{0};
        std::uint64_t launch_before = 0;  ///< launch_number() when the order was given
    };

    OrderWait(std::shared_ptr<varlink::Call> call, Event order, std::vector<Target> targets);

    /// Answers the call if all is done or something went wrong. False: there is more to wait for.
    bool settle(const Supervisor& supervisor);
    [[nodiscard]] bool open() const noexcept { return call_->open(); }

  private:
    std::shared_ptr<varlink::Call> call_;
    Event order_;
    std::vector<Target> targets_;  ///< that are still pending
};

}  // namespace shmipc::supervisor
