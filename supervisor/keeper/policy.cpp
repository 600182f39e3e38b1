#include "policy.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace shmipc::supervisor {

RestartPolicy::RestartPolicy(const RestartLimits& limits, Random random)
    : limits_(limits), random_(std::move(random)) {}

RestartPolicy::Verdict RestartPolicy::died(Clock::time_point now, Clock::duration ready_for) {
    busy_tries_ = 0;
    // One that was never ready has had no run at all, not a stable one of length 0: with
    // stable_after = "0s" it would be restarted without any delay, for ever.
    if (ready_for > Clock::duration{0} && ready_for >= limits_.stable_after) {
        deaths_ = 0;
    }
    if (deaths_ < std::numeric_limits<std::uint32_t>::max()) {
        ++deaths_;
    }
    if (limits_.max_restarts != 0) {
        while (!restarts_.empty() && now - restarts_.front() >= limits_.window) {
            restarts_.pop_front();
        }
        if (restarts_.size() >= limits_.max_restarts) {
            return {.give_up = true, .delay = {}};
        }
        restarts_.push_back(now);
    }
    return {.give_up = false, .delay = deaths_ == 1 ? Clock::duration{0} : backoff(deaths_ - 2)};
}

RestartPolicy::Verdict RestartPolicy::busy() {
    const std::uint32_t step = busy_tries_;
    if (busy_tries_ < std::numeric_limits<std::uint32_t>::max()) {
        ++busy_tries_;
    }
    return {.give_up = false, .delay = backoff(step)};
}

void RestartPolicy::forget() {
    deaths_ = 0;
    busy_tries_ = 0;
    restarts_.clear();
}

RestartPolicy::Clock::duration RestartPolicy::backoff(std::uint32_t step) const {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    const Milliseconds ceiling = limits_.maximum;
    Milliseconds delay = limits_.initial;
    // Stops at the ceiling, so that thousands of deaths neither overflow nor cost time; with a
    // factor of 1 the first step already is the last.
    for (std::uint32_t i = 0; i < step && delay < ceiling && limits_.factor > 1.0; ++i) {
        delay *= limits_.factor;
    }
    delay = std::min(delay, ceiling);
    // After the ceiling, not before: else all workers that reached it would come back together.
    delay *= 1.0 + limits_.jitter * (2.0 * random_() - 1.0);
    return std::chrono::duration_cast<Clock::duration>(delay);
}

}  // namespace shmipc::supervisor
