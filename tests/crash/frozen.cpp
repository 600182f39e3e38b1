// shmipc-crash-frozen: consumers that are stopped with SIGSTOP at every step of what they do, for
// as long as the test likes, and what a producer publishes meanwhile.
//
// For each place on a consumer's path, and for one, two and all three of the consumers, the
// producer floods its channel before, while, and after they are frozen there. Prints the ratio of
// the rates; the time that it takes is compared within a round, since the machine's speed changes.
// Exit status 1 if a consumer that is not frozen does not get the latest message, or one that was
// does not go on where it stood.
#include "actor.hpp"
#include "arena.hpp"
#include "payload.hpp"
#include "stage.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace shmipc::crash {

namespace {

using protocol::Step;

constexpr std::uint32_t kWorkers = 4;
constexpr std::uint64_t kCapacity = 64;

/// What a consumer does when it is frozen, and what the producer publishes at its stops before.
struct Act {
    const char* name;
    Script script;
    std::vector<Place> overtaken_at;
};

const std::vector<Act>& acts() {
    static const std::vector<Act> all{
        {"acquire, release", refresh(kProducer), {}},
        {"acquire, overtaken", refresh(kProducer), {{Step::kConfirm, 1}}},
        {"wait", {{.op = Op::kWait, .channel = kProducer}}, {}},
    };
    return all;
}

std::uint64_t flood(Actor& producer) {
    producer.run({{.op = Op::kFlood}});
    return producer.page().flood_ns;
}

class Round {
  public:
    explicit Round(std::uint32_t slots)
        : arena_(kWorkers, kCapacity, slots), producer_(arena_, kProducer) {
        for (std::uint32_t i = 1; i < kWorkers; ++i) {
            consumers_.emplace_back(arena_, WorkerIndex{i});
        }
        producer_.run(publish(1));
        for (Actor& consumer : consumers_) {
            consumer.run(refresh(kProducer));
        }
    }

    /// The steps of an act that nobody disturbs but at its stops; those of a wait until it sleeps.
    std::vector<Place> learn(const Act& act) {
        prepare(act);
        Actor& consumer = consumers_.front();
        if (go_to(consumer, act, {}) == Outcome::kStopped) {
            consumer.resume();
        }
        if (is_wait(act)) {
            consumer.expect_asleep();
            producer_.run(publish(1));
        }
        expect(consumer.outcome() == Outcome::kDone, "a consumer did not finish");
        std::vector<Place> path = consumer.page().path();
        if (is_wait(act)) {
            const auto asleep = std::find(path.begin(), path.end(), Place{Step::kSleepCall, 1});
            expect(asleep != path.end(), "a consumer did not sleep");
            path.erase(asleep + 1, path.end());
        }
        leave();
        return path;
    }

    /// Rate with the first `count` consumers frozen at a place, over the rate without.
    double freeze(const Act& act, Place place, std::uint32_t count) {
        static_cast<void>(flood(producer_));  // caches
        prepare(act);
        const std::uint64_t before = flood(producer_);
        prepare(act);
        for (std::uint32_t i = 0; i < count; ++i) {
            expect(go_to(consumers_[i], act, place) == Outcome::kStopped, "a stop was not reached");
            consumers_[i].freeze();
        }
        const std::uint64_t frozen = flood(producer_);
        for (std::uint32_t i = count; i < kWorkers - 1; ++i) {
            expect_reads_latest(consumers_[i]);
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            consumers_[i].thaw();
            Outcome outcome = Outcome::kStopped;
            while (outcome == Outcome::kStopped) {  // again where the act has it overtaken
                consumers_[i].resume();
                outcome = consumers_[i].outcome();
            }
            expect(outcome == Outcome::kDone, "a thawed consumer did not finish");
        }
        const std::uint64_t after = flood(producer_);
        for (Actor& consumer : consumers_) {
            expect_reads_latest(consumer);
        }
        leave();
        return static_cast<double>(before + after) / 2 / static_cast<double>(frozen);
    }

  private:
    static bool is_wait(const Act& act) { return act.script.front().op == Op::kWait; }

    /// Everybody has the latest message, and a newer one is there unless it is to be waited for.
    void prepare(const Act& act) {
        for (Actor& consumer : consumers_) {
            consumer.run(refresh(kProducer));
        }
        if (!is_wait(act)) {
            producer_.run(publish(1));
        }
    }

    /// Lets a consumer begin, and overtakes it where the act says so. It is then on its way to
    /// `place`, if that is somewhere, and otherwise still at its last stop if it has any.
    Outcome go_to(Actor& consumer, const Act& act, Place place) {
        std::vector<Place> stops;
        for (const Place stop : act.overtaken_at) {
            stops.push_back(stop);
        }
        const bool beyond = std::find(stops.begin(), stops.end(), place) == stops.end();
        if (place.occurrence != 0 && beyond) {
            stops.push_back(place);
        }
        consumer.start(act.script, {.death = {}, .stops = stops});
        if (stops.empty()) {
            return Outcome::kDone;
        }
        Outcome outcome = consumer.outcome();
        while (outcome == Outcome::kStopped && consumer.page().last() != place &&
               consumer.page().last() == stops.front()) {
            producer_.run(publish(1));
            if (place.occurrence == 0) {
                return outcome;
            }
            consumer.resume();
            outcome = consumer.outcome();
        }
        return outcome;
    }

    void expect_reads_latest(Actor& reader) {
        reader.run(refresh(kProducer));
        expect(reader.page().seen[to_number(kProducer)] == producer_.page().published,
               "lost: a consumer does not get the latest message");
    }

    void leave() {
        for (Actor& consumer : consumers_) {
            consumer.leave();
        }
        producer_.leave();
        expect(arena_.pins() == 0, "leaked pin: everybody has left, and a cell is not free");
        arena_.remove();
    }

    Arena arena_;
    Actor producer_;
    std::vector<Actor> consumers_;
};

/// Freezes `count` consumers at each place of each act; prints a line. Returns how many failed.
std::uint64_t freeze_everywhere(std::uint32_t slots, std::uint32_t count) {
    std::vector<double> ratios;
    std::uint64_t failed = 0;
    for (const Act& act : acts()) {
        std::vector<Place> path;
        try {
            path = Round(slots).learn(act);
        } catch (const std::exception& error) {
            ++failed;
            std::printf("FAILED %s, not frozen\n       %s\n", act.name, error.what());
        }
        for (const Place place : path) {
            try {
                ratios.push_back(Round(slots).freeze(act, place, count));
            } catch (const std::exception& error) {
                ++failed;
                std::printf("FAILED %s, %u frozen before %s\n       %s\n", act.name, count,
                            to_string(place).c_str(), error.what());
            }
        }
    }
    if (ratios.empty()) {
        return failed + 1;
    }
    std::sort(ratios.begin(), ratios.end());
    const std::string of = slots == 0 ? "the default" : std::to_string(slots);
    std::printf(
        "frozen: %u of %u consumers, %s slots: %zu places, failed %llu, rate of the producer "
        "%.2f of the usual (median; least %.2f)\n",
        count, kWorkers - 1, of.c_str(), ratios.size(), static_cast<unsigned long long>(failed),
        ratios[ratios.size() / 2], ratios.front());
    return failed;
}

}  // namespace

}  // namespace shmipc::crash

int main() {
    using shmipc::layout::Geometry;
    std::uint64_t failed = 0;
    for (const std::uint32_t slots : {0U, Geometry::minimum_slots(shmipc::crash::kWorkers)}) {
        for (std::uint32_t count = 1; count < shmipc::crash::kWorkers; ++count) {
            failed += shmipc::crash::freeze_everywhere(slots, count);
        }
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
