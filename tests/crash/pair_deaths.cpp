// Both sides half-way: the consumer stops at a step, the producer runs to a step of its own and
// stops or dies there, the consumer goes on, or dies.
#include "half.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace shmipc::crash {

namespace {

using protocol::Step;

constexpr Command kAcquireIt{.op = Op::kAcquire, .channel = kProducer};
constexpr Command kReleaseIt{.op = Op::kRelease, .channel = kProducer};
constexpr Command kWaitForIt{.op = Op::kWait, .channel = kProducer};
constexpr Place kConfirm{Step::kConfirm, 1};

void expect_stopped(Actor& actor) {
    expect(actor.outcome() == Outcome::kStopped, "an actor did not come to its stop");
}
void expect_done(Actor& actor) {
    expect(actor.outcome() == Outcome::kDone, "an actor stopped once more");
}

/// Both, with the consumer stopped half-way.
struct Scene {
    Scene(std::uint32_t workers, const Half& half, Place consumer_death)
        : stage(workers), producer(stage.arena(), kProducer), consumer(stage.arena(), kConsumer) {
        producer.run(publish(1));
        stage.bystander_pins();
        Script script{kAcquireIt, kReleaseIt};
        std::vector<Place> stops{half.place};
        if (half.approach == Approach::kSleepy) {
            consumer.run(script);
            script.insert(script.begin(), kWaitForIt);
        }
        if (half.approach == Approach::kOvertaken) {
            stops.insert(stops.begin(), kConfirm);
        }
        consumer.start(script, {.death = consumer_death, .stops = stops});
        expect_stopped(consumer);
        if (half.approach == Approach::kOvertaken) {
            producer.run(publish(1));
            consumer.resume();
            expect_stopped(consumer);
        }
    }

    Stage stage;
    Actor producer;
    Actor consumer;
};

/// What the producer runs: messages by copy and by loan, enough for two scans.
Script producer_script(std::uint32_t workers) {
    return publish(workers + 2);
}

/// The producer dies; the consumer goes on before its restart, or after its successor's lap. A
/// sleepy one must be woken by the restart where something was published, else by the next publish.
std::vector<Place> producer_dies(std::uint32_t workers, const Half& half, bool at_once,
                                 Place death) {
    Scene scene(workers, half, {});
    const std::uint64_t before = scene.producer.page().latest();
    scene.producer.start(producer_script(workers), {.death = death, .stops = {}});
    expect_death(scene.producer.outcome(), death);
    std::vector<Place> path = scene.producer.page().path();
    const std::uint64_t latest = scene.producer.page().latest();
    const bool sleeps_on = half.approach == Approach::kSleepy && latest == before;
    if (at_once) {
        scene.consumer.resume();
        if (half.approach != Approach::kSleepy) {
            expect_done(scene.consumer);
        }
    }
    if (death.occurrence != 0) {
        scene.producer = scene.stage.restart_producer(latest, 2);
    }
    if (at_once && half.approach == Approach::kSleepy && !sleeps_on) {
        expect_done(scene.consumer);
    }
    scene.producer.run(scene.stage.lap());
    if (!at_once) {
        scene.consumer.resume();
    }
    if (!at_once || sleeps_on) {
        expect_done(scene.consumer);
    }
    scene.stage.finish(scene.producer, scene.consumer);
    return path;
}

/// The producer stops; the consumer goes on and dies; its successor comes while the producer still
/// stands there. Returns the consumer's path from where it stood.
std::vector<Place> consumer_dies(std::uint32_t workers, const Half& half, Place producer_stop,
                                 Place death) {
    const bool where_it_stands = death == half.place;
    Scene scene(workers, half, where_it_stands ? Place{} : death);
    scene.producer.start(producer_script(workers), {.death = {}, .stops = {producer_stop}});
    expect_stopped(scene.producer);
    const std::uint64_t latest = scene.producer.page().latest();
    if (where_it_stands) {
        scene.consumer.murder();
    } else {
        scene.consumer.resume();
        expect_death(scene.consumer.outcome(), death);
    }
    std::vector<Place> path = scene.consumer.page().path();
    while (!path.empty() && path.front() != half.place) {
        path.erase(path.begin());
    }
    scene.stage.arena().expect_latest(kProducer, latest);
    if (death.occurrence != 0) {
        scene.stage.expect_cell(scene.consumer);
        scene.consumer = scene.stage.restart_consumer();
    }
    // Also where the producer has scanned already: what is pinned from here on stays whole.
    scene.consumer.run({kAcquireIt});
    expect(scene.consumer.page().seen[to_number(kProducer)] == latest,
           "lost: a consumer does not get the latest message of a stopped producer");
    scene.producer.resume();
    expect_done(scene.producer);
    scene.producer.run(scene.stage.lap());
    scene.consumer.run({kReleaseIt});
    scene.stage.finish(scene.producer, scene.consumer);
    return path;
}

/// A sleepy consumer dies where it stands, while the producer is stopped.
void sleeper_dies(Table& table, const std::string& where, std::uint32_t workers, const Half& half,
                  Place producer_stop) {
    const std::string operation = "sleeper dies, producer half-way";
    try {
        consumer_dies(workers, half, producer_stop, half.place);
        table.died(operation, half.place.step);
    } catch (const std::exception& error) {
        table.failed(operation, where, error.what());
    }
}

/// The producer is stopped at `stop` while it wakes a sleeper, which has got on by itself, and
/// sleeps again before the producer goes on, or dies there. The next publish must wake it.
std::vector<Place> sleeper_sleeps_again(std::uint32_t workers, Place stop, bool dies) {
    Scene scene(workers, {.approach = Approach::kSleepy, .place = {Step::kSleepBarrier, 1}}, {});
    scene.producer.start(publish(1), {.death = {}, .stops = {stop}});
    const bool stopped = scene.producer.outcome() == Outcome::kStopped;
    std::vector<Place> path = scene.producer.page().path();
    scene.consumer.resume();
    expect_done(scene.consumer);
    scene.consumer.start({kWaitForIt});
    scene.consumer.expect_asleep();
    if (stopped && dies) {
        scene.producer.murder();
        scene.producer = scene.stage.restart_producer(scene.producer.page().latest(), 2);
    } else if (stopped) {
        scene.producer.resume();
        expect_done(scene.producer);
    }
    scene.producer.run(publish(1));
    expect_done(scene.consumer);
    scene.stage.finish(scene.producer, scene.consumer);
    return path;
}

/// At every place of the producer's after (8).
void explore_sleeping_again(Table& table, std::uint32_t workers) {
    explore(table, "producer dies waking, sleeper sleeps again",
            std::to_string(workers) + " workers", [&](Place place) {
                sleeper_sleeps_again(workers, place, false);
                std::vector<Place> path = sleeper_sleeps_again(workers, place, true);
                path.erase(
                    std::remove_if(path.begin(), path.end(),
                                   [](Place passed) { return passed.step < Step::kWakeFence; }),
                    path.end());
                return path;
            });
}

/// Whether the place is the first or the last of its step on the path.
bool is_at_an_end(const std::vector<Place>& path, Place place) {
    const Place next{place.step, place.occurrence + 1};
    return place.occurrence == 1 || std::find(path.begin(), path.end(), next) == path.end();
}

/// Both sides at every place of theirs.
void explore_pairs(Table& table, std::uint32_t workers, const Half& half, Extent extent) {
    const std::string where = std::to_string(workers) + " workers, " + to_string(half);
    std::vector<Place> stops;
    for (const bool at_once : {true, false}) {
        explore(table, "producer dies, consumer half-way",
                where + (at_once ? ", goes on at once" : ", goes on after a lap"),
                [&](Place death) {
                    auto path = producer_dies(workers, half, at_once, death);
                    if (death.occurrence == 0) {
                        stops = path;
                    }
                    return path;
                });
    }
    for (const Place stop : stops) {
        if (extent == Extent::kQuick && workers > 2 && !is_at_an_end(stops, stop)) {
            continue;
        }
        const std::string both = where + ", producer stopped before " + to_string(stop);
        if (half.approach == Approach::kSleepy) {
            sleeper_dies(table, both, workers, half, stop);
        } else {
            explore(table, "consumer dies, producer half-way", both,
                    [&](Place death) { return consumer_dies(workers, half, stop, death); });
        }
    }
}

}  // namespace

void pair_deaths(Table& table, std::uint32_t workers, Extent extent) {
    for (const Approach approach : {Approach::kUsual, Approach::kOvertaken, Approach::kSleepy}) {
        for (const Half& half : halves(workers, approach)) {
            explore_pairs(table, workers, half, extent);
        }
    }
    explore_sleeping_again(table, workers);
}

}  // namespace shmipc::crash
