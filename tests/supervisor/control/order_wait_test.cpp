#include "control/order_wait.hpp"

#include <doctest/doctest.h>

#include <cstddef>

using namespace shmipc::supervisor;

namespace {

using Outcome = OrderOutcome;

/// In the order of State: stopped, starting, running, backoff, stopping, restarting, aborting,
/// failed.
constexpr Outcome kStart[kStates] = {Outcome::kOverridden, Outcome::kPending,    Outcome::kDone,
                                     Outcome::kFailed,     Outcome::kOverridden, Outcome::kPending,
                                     Outcome::kFailed,     Outcome::kFailed};
constexpr Outcome kStop[kStates] = {
    Outcome::kDone,    Outcome::kOverridden, Outcome::kOverridden, Outcome::kOverridden,
    Outcome::kPending, Outcome::kOverridden, Outcome::kOverridden, Outcome::kOverridden};

}  // namespace

TEST_CASE("what becomes of an order is told by the worker's state") {
    for (std::size_t i = 0; i < kStates; ++i) {
        const auto state = static_cast<State>(i);
        CAPTURE(name_of(state));
        for (const bool launched : {false, true}) {
            CHECK(outcome_of(Event::kStart, state, launched) == kStart[i]);
            CHECK(outcome_of(Event::kStop, state, launched) == kStop[i]);
            CHECK(outcome_of(Event::kToggle, state, launched) == Outcome::kDone);
            const bool old_process = state == State::kRunning && !launched;
            CHECK(outcome_of(Event::kRestart, state, launched) ==
                  (old_process ? Outcome::kPending : kStart[i]));
        }
    }
}
