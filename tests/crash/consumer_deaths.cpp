#include "scenarios.hpp"
#include "stage.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::crash {

namespace {

using protocol::CellState;
using protocol::Step;

/// One thing that a consumer is made to do, and what happens at its stops.
struct Act {
    std::string operation;
    Script before;  ///< run to its end first, when one message is there
    Script script;
    std::vector<Place> stops;
    std::vector<std::uint32_t> published_at_stop;  ///< messages that the producer adds there
    bool publish_between = false;                  ///< one message between `before` and `script`
};

constexpr Command kAcquireIt{.op = Op::kAcquire, .channel = kProducer};
constexpr Command kReleaseIt{.op = Op::kRelease, .channel = kProducer};

std::vector<Act> acts(std::uint32_t lap) {
    const Script use{kAcquireIt, kReleaseIt};
    const Place confirm{Step::kConfirm, 1};
    const Place reload{Step::kReload, 1};
    const Place hold{Step::kHoldPending, 1};
    return {
        {"acquire, release", {}, use, {}, {}},
        {"acquire, release, acquire again", {}, {use[0], use[1], use[0], use[1]}, {}, {}},
        {"acquire the same again", use, use, {}, {}},
        {"acquire the next", use, use, {}, {}, true},
        {"acquire, overtaken", {}, use, {confirm}, {1}},
        {"acquire, overtaken with a message kept", use, use, {confirm}, {2}, true},
        {"acquire, overtaken by a lap", {}, use, {confirm}, {lap}},
        {"acquire, overtaken twice", {}, use, {confirm, reload}, {1, 1}},
        {"acquire, overtaken and again before (5)", {}, use, {confirm, hold}, {1, 1}},
        {"acquire, overtaken and helped before (4)", {}, use, {confirm, reload}, {1, lap}},
        {"acquire, overtaken and helped before (5)", {}, use, {confirm, hold}, {1, lap}},
        {"acquire, overtaken at each step",
         {},
         use,
         {confirm, reload, hold, {Step::kReadHeader, 1}},
         {1, 1, lap, lap}},
    };
}

/// After the consumer's death, and its successor's start: the producer is not in its way.
void go_on_without(Stage& stage, Actor& producer, const Actor& dead) {
    stage.arena().expect_latest(kProducer, producer.page().latest());
    stage.expect_cell(dead);
    producer.run(stage.lap());
    stage.arena().expect_latest(kProducer, producer.page().latest());
    expect(stage.arena().cell(kProducer, kConsumer).state() != CellState::kPending,
           "a scan has left a cell PENDING");
}

std::vector<Place> act_round(std::uint32_t workers, const Act& act, Place death) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(1));
    stage.bystander_pins();
    consumer.run(act.before);
    if (act.publish_between) {
        producer.run(publish(1));
    }
    std::vector<std::function<void()>> at_stops;
    for (const std::uint32_t count : act.published_at_stop) {
        at_stops.emplace_back([&producer, count] { producer.run(publish(count)); });
    }

    consumer.start(act.script, {.death = death, .stops = act.stops});
    expect_death(drive(consumer, at_stops), death);
    std::vector<Place> path = consumer.page().path();
    if (death.occurrence != 0) {
        go_on_without(stage, producer, consumer);
        consumer = stage.restart_consumer();
    }
    stage.finish(producer, consumer);
    return path;
}

/// Going to sleep, sleeping, and waking.
std::vector<Place> waiting_round(std::uint32_t workers, Place death) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(1));
    stage.bystander_pins();
    consumer.run(refresh(kProducer));
    consumer.start({{.op = Op::kWait, .channel = kProducer}, kAcquireIt, kReleaseIt},
                   {.death = death, .stops = {}});
    // Unless it dies before, one message wakes it.
    if (consumer.falls_asleep()) {
        producer.run(publish(1));
    }
    expect_death(consumer.outcome(), death);
    std::vector<Place> path = consumer.page().path();
    if (death.occurrence != 0) {
        go_on_without(stage, producer, consumer);
        consumer = stage.restart_consumer();
    }
    stage.finish(producer, consumer);
    return path;
}

/// Killed while it sleeps in the kernel.
std::vector<Place> asleep_round(std::uint32_t workers) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(1));
    consumer.run(refresh(kProducer));
    consumer.start({{.op = Op::kWait, .channel = kProducer}});
    consumer.expect_asleep();
    consumer.murder();
    go_on_without(stage, producer, consumer);
    consumer = stage.restart_consumer();
    stage.finish(producer, consumer);
    return {};
}

/// What a consumer's death may leave behind, and how to bring it about.
struct Legacy {
    std::string name;
    Act act;
    Place death;
};

std::vector<Legacy> legacies(std::uint32_t lap) {
    const Script use{kAcquireIt, kReleaseIt};
    const Place confirm{Step::kConfirm, 1};
    const auto usual = [&](Script before) { return Act{"", std::move(before), use, {}, {}}; };
    const Act overtaken{"", {}, use, {confirm}, {1}};
    const Act helped{"", {}, use, {confirm, {Step::kReload, 1}}, {1, lap}};
    return {{"FREE", usual({}), {Step::kAnnounce, 1}},
            {"CLAIMED", usual({}), confirm},
            {"CLAIMED, overtaken", overtaken, {Step::kPend, 1}},
            {"PENDING", overtaken, {Step::kHoldPending, 1}},
            {"HELD by help", helped, {Step::kHoldPending, 1}},
            {"HELD", usual({}), {Step::kVerify, 1}},
            {"KEPT", usual(use), {Step::kHoldAgain, 1}}};
}

/// The successor of a consumer dies while it attaches and reclaims.
std::vector<Place> recovery_round(std::uint32_t workers, const Legacy& legacy, bool lapped,
                                  Place second) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    std::optional<Actor> consumer(std::in_place, stage.arena(), kConsumer);
    producer.run(publish(1));
    stage.bystander_pins();
    consumer->run(legacy.act.before);
    std::vector<std::function<void()>> at_stops;
    for (const std::uint32_t count : legacy.act.published_at_stop) {
        at_stops.emplace_back([&producer, count] { producer.run(publish(count)); });
    }
    consumer->start(legacy.act.script, {.death = legacy.death, .stops = legacy.act.stops});
    expect_death(drive(*consumer, at_stops), legacy.death);
    stage.expect_cell(*consumer);
    if (lapped) {
        producer.run(stage.lap());
    }
    const auto left = stage.arena().cell(kProducer, kConsumer);

    consumer.emplace(stage.arena(), kConsumer, Plan{.death = second, .stops = {}});
    expect_death(consumer->outcome(), second);
    std::vector<Place> path = consumer->page().path();
    if (second.occurrence != 0) {
        // Channel 0 is the first that worker 1 looks at.
        const Page& page = consumer->page();
        const bool reclaimed =
            page.count(Step::kReclaim) > (page.last().step == Step::kReclaim ? 1U : 0U);
        expect(
            stage.arena().cell(kProducer, kConsumer) == (reclaimed ? protocol::CellWord{} : left),
            "a death during reclaiming left the cell " +
                to_string(stage.arena().cell(kProducer, kConsumer)));
        producer.run(stage.lap());
        consumer.emplace(stage.restart_consumer());
    }
    stage.finish(producer, *consumer);
    return path;
}

}  // namespace

void consumer_deaths(Table& table, std::uint32_t workers, Extent /*extent*/) {
    const std::string where = std::to_string(workers) + " workers";
    const std::uint32_t lap = 2 * (workers + 1) + 1;
    for (const Act& act : acts(lap)) {
        explore(table, act.operation, where,
                [&](Place death) { return act_round(workers, act, death); });
    }
    explore(table, "wait, sleep, wake", where,
            [&](Place death) { return waiting_round(workers, death); });
    try {
        asleep_round(workers);
        table.died("asleep", Step::kSleepCall);
    } catch (const std::exception& error) {
        table.failed("asleep", where, error.what());
    }
    for (const Legacy& legacy : legacies(lap)) {
        for (const bool lapped : {false, true}) {
            explore(
                table, "consumer recovery",
                where + ", predecessor left " + legacy.name + (lapped ? ", producer lapped" : ""),
                [&](Place death) { return recovery_round(workers, legacy, lapped, death); });
        }
    }
}

}  // namespace shmipc::crash
