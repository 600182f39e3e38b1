#include "keeper/hang_watch.hpp"

#include <doctest/doctest.h>

using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

using Verdict = HangWatch::Verdict;

/// A worker, and a supervisor that looks at it once a second, on a clock of the test's own.
struct Fixture {
    HangWatch watch;
    HangWatch::Clock::time_point now{1h};
    LifeSigns signs{.heartbeat = 1, .written = 1, .read = 1};
    std::chrono::milliseconds limit{10s};

    Fixture() {
        watch.begin(now);
        CHECK(look(0s) == Verdict::kAlive);
    }
    Verdict look(HangWatch::Clock::duration later = 1s) {
        now += later;
        return watch.look(now, signs, limit);
    }
    /// Looks without a sign of life; the verdict of the last.
    Verdict silent_for(int looks) {
        Verdict verdict = Verdict::kAlive;
        for (int i = 0; i < looks; ++i) {
            verdict = look();
        }
        return verdict;
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a worker without any sign of life is silent, told once, and then hung") {
    CHECK(silent_for(4) == Verdict::kAlive);
    CHECK(look() == Verdict::kSilent);
    CHECK(silent_for(4) == Verdict::kAlive);
    CHECK(look() == Verdict::kHung);
    CHECK(watch.silence() == 10s);
}

TEST_CASE_FIXTURE(Fixture,
                  "any of the signs is life: heartbeat, a message written, a message read") {
    for (std::uint64_t LifeSigns::*const sign :
         {&LifeSigns::heartbeat, &LifeSigns::written, &LifeSigns::read}) {
        CHECK(silent_for(4) == Verdict::kAlive);
        ++(signs.*sign);
        CHECK(look() == Verdict::kAlive);
        CHECK(watch.silence() == 0s);
    }
}

TEST_CASE_FIXTURE(Fixture, "a slow worker is told of, recovers, and is told of anew") {
    for (int i = 0; i < 3; ++i) {
        CHECK(silent_for(5) == Verdict::kSilent);
        CHECK(silent_for(4) == Verdict::kAlive);
        ++signs.heartbeat;
        CHECK(look() == Verdict::kRecovered);
    }
}

TEST_CASE_FIXTURE(Fixture, "a heartbeat that goes back is a sign too: only change counts") {
    CHECK(silent_for(9) == Verdict::kAlive);
    signs.heartbeat = 0;
    CHECK(look() == Verdict::kRecovered);
}

TEST_CASE_FIXTURE(Fixture,
                  "time in which the supervisor did not look is not held against anybody") {
    CHECK(silent_for(3) == Verdict::kAlive);
    CHECK(look(1h) == Verdict::kSilent);  // 3 s + 2 s
    CHECK(watch.silence() == 5s);
    CHECK(look(24h) == Verdict::kAlive);
    CHECK(look(24h) == Verdict::kAlive);
    CHECK(look(24h) == Verdict::kHung);  // it does go on: 5 s + 3 × 2 s
}

TEST_CASE_FIXTURE(Fixture, "with a limit of 0 nobody hangs, and a limit may change at any time") {
    limit = 0s;
    CHECK(silent_for(1000) == Verdict::kAlive);
    limit = 10s;
    CHECK(look() == Verdict::kHung);
}

TEST_CASE_FIXTURE(Fixture, "an excuse begins the silence anew") {
    silent_for(9);
    watch.excuse(now);
    CHECK(silent_for(4) == Verdict::kAlive);
    CHECK(watch.silence() == 4s);
}

TEST_CASE_FIXTURE(Fixture, "the silence between two looks is told by the signs that are there") {
    silent_for(3);
    CHECK(watch.silence(now + 500ms, signs) == 3500ms);
    ++signs.written;
    CHECK(watch.silence(now + 500ms, signs) == 0s);
}

TEST_CASE_FIXTURE(Fixture, "one look after a pause condemns nobody, however short the limit") {
    for (const auto shortest : {500ms, 1000ms, 2000ms, 4000ms}) {
        CAPTURE(shortest.count());
        limit = shortest;
        ++signs.heartbeat;
        look(limit / 5);
        CHECK(look(1min) == Verdict::kAlive);  // two of five parts
        CHECK(look(limit / 5) == Verdict::kSilent);
        CHECK(look(limit / 5) == Verdict::kAlive);
        CHECK(look(limit / 5) == Verdict::kHung);
    }
}
