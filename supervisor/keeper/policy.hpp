// When a worker that died is started again: at once, later, or not any more. Decisions only: no
// clock, no timer, no randomness but the one that is handed in.
//
// A first death costs no delay, so that an accident is over before anybody notices. Deaths that
// follow without a stable run between them wait longer and longer, so that a worker which cannot
// live takes no machine down. Jitter keeps workers that died together from coming back together.
// Owned by the worker's keeper; one thread.
#pragma once

#include "config/restart_limits.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>

namespace shmipc::supervisor {

class RestartPolicy {
  public:
    using Clock = std::chrono::steady_clock;
    /// Each call returns a number in [0, 1).
    using Random = std::function<double()>;

    struct Verdict {
        bool give_up = false;
        Clock::duration delay{0};  ///< 0: restart at once
    };

    RestartPolicy(const RestartLimits& limits, Random random);

    /// The worker died at `now`, after `ready_for` of being ready (0 if it never was). Counts the
    /// restart that it grants.
    Verdict died(Clock::time_point now, Clock::duration ready_for);
    /// The worker ended because its identity is held by another process. No death: counts towards
    /// no limit, but the tries grow rarer too.
    Verdict busy();
    /// For the decisions from now on.
    void set_limits(const RestartLimits& limits) noexcept { limits_ = limits; }
    /// An operator starts the worker: what was before does not count any more.
    void forget();

    /// Deaths in a row without a stable run between them, the last one included.
    [[nodiscard]] std::uint32_t deaths_in_a_row() const noexcept { return deaths_; }

  private:
    [[nodiscard]] Clock::duration backoff(std::uint32_t step) const;

    RestartLimits limits_;
    Random random_;
    std::uint32_t deaths_ = 0;
    std::uint32_t busy_tries_ = 0;
    std::deque<Clock::time_point> restarts_;  ///< within the window
};

}  // namespace shmipc::supervisor
