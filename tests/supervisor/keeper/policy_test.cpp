#include "keeper/policy.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

using Clock = RestartPolicy::Clock;

/// Time and chance in the hands of the test.
struct Fixture {
    RestartLimits limits;
    double chance = 0.5;  // no jitter
    Clock::time_point now{1h};

    RestartPolicy policy() {
        return {limits, [this] { return chance; }};
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "the first death restarts at once, the next after growing delays") {
    limits.max_restarts = 0;
    RestartPolicy restart = policy();
    const std::vector<std::chrono::milliseconds> expected{0ms,    100ms,  200ms,  400ms, 800ms,
                                                          1600ms, 3200ms, 6400ms, 10s,   10s};
    for (const auto delay : expected) {
        const auto verdict = restart.died(now, 0s);
        CHECK_FALSE(verdict.give_up);
        CHECK(verdict.delay == delay);
    }
    CHECK(restart.deaths_in_a_row() == expected.size());
}

TEST_CASE_FIXTURE(Fixture, "a stable run before the death makes it a first death again") {
    limits.max_restarts = 0;
    RestartPolicy restart = policy();
    restart.died(now, 0s);
    restart.died(now, 0s);
    CHECK(restart.died(now, limits.stable_after - 1ns).delay == 200ms);
    CHECK(restart.died(now, limits.stable_after).delay == 0s);
    CHECK(restart.died(now, 0s).delay == 100ms);
}

TEST_CASE_FIXTURE(Fixture,
                  "jitter moves a delay by its share and no further, also at the maximum") {
    limits.max_restarts = 0;
    limits.jitter = 0.25;
    for (const double draw : {0.0, 0.25, 0.5, 0.75, 0.999999}) {
        chance = draw;
        CAPTURE(draw);
        RestartPolicy restart = policy();
        CHECK(restart.died(now, 0s).delay == 0s);  // at once means at once
        const auto first = restart.died(now, 0s).delay;
        CHECK(first >= 75ms);
        CHECK(first < 125ms);
        for (int i = 0; i < 20; ++i) {
            restart.died(now, 0s);
        }
        const auto last = restart.died(now, 0s).delay;
        CHECK(last >= 7500ms);
        CHECK(last < 12500ms);
    }
    chance = 0.0;
    RestartPolicy low = policy();
    low.died(now, 0s);
    CHECK(low.died(now, 0s).delay == 75ms);
}

TEST_CASE_FIXTURE(Fixture, "one restart more than max_restarts within the window gives up") {
    limits.max_restarts = 3;
    limits.window = 60s;
    RestartPolicy restart = policy();
    CHECK_FALSE(restart.died(now, 0s).give_up);
    CHECK_FALSE(restart.died(now + 10s, 0s).give_up);
    CHECK_FALSE(restart.died(now + 20s, 0s).give_up);
    SUBCASE("just inside the window") {
        CHECK(restart.died(now + 60s - 1ns, 0s).give_up);
    }
    SUBCASE("the oldest has left the window") {
        CHECK_FALSE(restart.died(now + 60s, 0s).give_up);
        CHECK(restart.died(now + 61s, 0s).give_up);
        CHECK_FALSE(restart.died(now + 70s, 0s).give_up);
    }
    SUBCASE("a stable run resets the delay, but not the count") {
        CHECK(restart.died(now + 59s, limits.stable_after).give_up);
    }
    SUBCASE("an operator's start begins anew") {
        restart.forget();
        const auto verdict = restart.died(now + 30s, 0s);
        CHECK_FALSE(verdict.give_up);
        CHECK(verdict.delay == 0s);
    }
}

TEST_CASE_FIXTURE(Fixture, "with max_restarts 0 nobody is ever given up") {
    limits.max_restarts = 0;
    RestartPolicy restart = policy();
    for (int i = 0; i < 100'000; ++i) {
        const auto verdict = restart.died(now, 0s);
        REQUIRE_FALSE(verdict.give_up);
        REQUIRE(verdict.delay <= limits.maximum);
    }
}

TEST_CASE_FIXTURE(Fixture, "a busy identity is retried ever more rarely, and is no death") {
    limits.max_restarts = 1;
    RestartPolicy restart = policy();
    CHECK(restart.busy().delay == 100ms);
    CHECK(restart.busy().delay == 200ms);
    for (int i = 0; i < 50; ++i) {
        const auto verdict = restart.busy();
        CHECK_FALSE(verdict.give_up);
        CHECK(verdict.delay <= limits.maximum);
    }
    const auto verdict = restart.died(now, 0s);
    CHECK_FALSE(verdict.give_up);
    CHECK(verdict.delay == 0s);
    CHECK(restart.busy().delay == 100ms);  // a death in between: a new story
}

TEST_CASE_FIXTURE(Fixture, "a factor of 1 keeps the delay") {
    limits.max_restarts = 0;
    limits.factor = 1.0;
    RestartPolicy restart = policy();
    restart.died(now, 0s);
    for (int i = 0; i < 10; ++i) {
        CHECK(restart.died(now, 0s).delay == limits.initial);
    }
}

TEST_CASE_FIXTURE(Fixture,
                  "a worker that was never ready had no stable run, however short that is") {
    limits.stable_after = 0ms;
    limits.max_restarts = 0;
    RestartPolicy restart = policy();
    CHECK(restart.died(now, 0s).delay == 0s);
    CHECK(restart.died(now, 0s).delay == 100ms);
    CHECK(restart.died(now, 0s).delay == 200ms);
    CHECK(restart.died(now, 1ns).delay == 0s);
}
