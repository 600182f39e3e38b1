#include "scenarios.hpp"
#include "stage.hpp"

#include <functional>
#include <optional>
#include <string>

namespace shmipc::crash {

namespace {

using protocol::Step;

std::string in_group_of(std::uint32_t workers) {
    return std::to_string(workers) + " workers";
}

/// Publishing while each consumer has an old message pinned.
std::vector<Place> publish_round(std::uint32_t workers, const Script& script, Place death) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(1));
    consumer.run({{.op = Op::kAcquire, .channel = kProducer}});
    producer.run(publish(1));
    stage.bystander_pins();

    producer.start(script, {.death = death, .stops = {}});
    expect_death(producer.outcome(), death);
    std::vector<Place> path = producer.page().path();
    if (death.occurrence != 0) {
        producer = stage.restart_producer(producer.page().latest(), 2);
    }
    producer.run(stage.lap());
    consumer.run({{.op = Op::kRelease, .channel = kProducer}});
    stage.finish(producer, consumer);
    return path;
}

/// The first messages of a channel.
std::vector<Place> first_round(std::uint32_t workers, Place death) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.start(publish(2), {.death = death, .stops = {}});
    expect_death(producer.outcome(), death);
    std::vector<Place> path = producer.page().path();
    if (death.occurrence != 0) {
        producer = stage.restart_producer(producer.page().latest(), 2);
    }
    stage.finish(producer, consumer);
    return path;
}

/// Publishing once while every consumer sleeps for it. Nobody may be left asleep past the restart
/// if the message was published, nor past the next publish if it was not.
std::vector<Place> waking_round(std::uint32_t workers, const Script& script, Place death) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(1));
    const auto each_sleeper = [&](const std::function<void(Actor&)>& act) {
        act(consumer);
        if (stage.bystander()) {
            act(*stage.bystander());
        }
    };
    each_sleeper([](Actor& sleeper) {
        sleeper.run(refresh(kProducer));
        sleeper.start({{.op = Op::kWait, .channel = kProducer}});
        sleeper.expect_asleep();
    });

    producer.start(script, {.death = death, .stops = {}});
    expect_death(producer.outcome(), death);
    std::vector<Place> path = producer.page().path();
    if (death.occurrence != 0) {
        const std::uint64_t latest = producer.page().latest();
        producer = stage.restart_producer(latest, 2);
        if (latest == 1) {
            producer.run(publish(1));
        }
    }
    each_sleeper([](Actor& sleeper) {
        expect(sleeper.outcome() == Outcome::kDone, "a sleeper was not woken");
    });
    stage.finish(producer, consumer);
    return path;
}

/// Publishing while a consumer is stopped between its PENDING and its own pin, so that the scan has
/// to help it. It goes on when the producer is dead, or when its successor has lapped all slots.
std::vector<Place> helping_round(std::uint32_t workers, Step stopped_at, bool goes_on_first,
                                 Place death) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(2));
    stage.bystander_pins();
    consumer.start(refresh(kProducer),
                   {.death = {}, .stops = {{Step::kConfirm, 1}, {stopped_at, 1}}});
    expect(consumer.outcome() == Outcome::kStopped, "the consumer did not come to (2)");
    producer.run(publish(1));
    consumer.resume();
    expect(consumer.outcome() == Outcome::kStopped, "the consumer was not overtaken");

    producer.start(stage.lap(), {.death = death, .stops = {}});
    expect_death(producer.outcome(), death);
    std::vector<Place> path = producer.page().path();
    const auto go_on = [&] {
        consumer.resume();
        expect(consumer.outcome() == Outcome::kDone, "the consumer stopped once more");
        expect(consumer.page().seen[to_number(kProducer)] >= 3, "reversed: an older message");
    };
    if (goes_on_first) {
        go_on();
    }
    if (death.occurrence != 0) {
        producer = stage.restart_producer(producer.page().latest(), 2);
    }
    producer.run(stage.lap());
    if (!goes_on_first) {
        go_on();
    }
    stage.finish(producer, consumer);
    return path;
}

/// A producer that died at `first` is restarted, and its successor dies while it attaches.
std::vector<Place> recovery_round(std::uint32_t workers, Place first, Place second) {
    Stage stage(workers);
    std::optional<Actor> producer(std::in_place, stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer->run(publish(2));
    stage.bystander_pins();
    consumer.run(refresh(kProducer));
    consumer.start({{.op = Op::kWait, .channel = kProducer}});
    consumer.expect_asleep();
    producer->start({{.op = Op::kLoan}}, {.death = first, .stops = {}});
    expect_death(producer->outcome(), first);
    const std::uint64_t latest = producer->page().latest();

    producer.emplace(stage.arena(), kProducer, Plan{.death = second, .stops = {}});
    expect_death(producer->outcome(), second);
    std::vector<Place> path = producer->page().path();
    std::uint32_t lives = 2;
    if (second.occurrence != 0) {
        producer.emplace(stage.restart_producer(latest, ++lives));
    }
    if (latest == 2) {
        producer->run(publish(1));
    }
    expect(consumer.outcome() == Outcome::kDone, "a sleeper was not woken");
    stage.finish(*producer, consumer);
    return path;
}

/// The same with a death in the successor's first messages, of which the first scans all cells.
std::vector<Place> after_recovery_round(std::uint32_t workers, Place first, Place second) {
    Stage stage(workers);
    Actor producer(stage.arena(), kProducer);
    Actor consumer(stage.arena(), kConsumer);
    producer.run(publish(2));
    consumer.run({{.op = Op::kAcquire, .channel = kProducer}});
    producer.start({{.op = Op::kLoan}}, {.death = first, .stops = {}});
    expect_death(producer.outcome(), first);
    producer = stage.restart_producer(producer.page().latest(), 2);
    stage.bystander_pins();
    producer.start(publish(2), {.death = second, .stops = {}});
    expect_death(producer.outcome(), second);
    std::vector<Place> path = producer.page().path();
    if (second.occurrence != 0) {
        producer = stage.restart_producer(producer.page().latest(), 3);
    }
    producer.run(stage.lap());
    consumer.run({{.op = Op::kRelease, .channel = kProducer}});
    stage.finish(producer, consumer);
    return path;
}

constexpr Place kPublishPlaces[] = {{Step::kWriteBegin, 1},  {Step::kWritePayload, 2},
                                    {Step::kWriteHeader, 1}, {Step::kWriteSequence, 1},
                                    {Step::kPublish, 1},     {Step::kWakeLook, 1}};
constexpr Place kWakePlaces[] = {
    {Step::kWakeClear, 1}, {Step::kWakeTake, 1}, {Step::kWakeCall, 1}, {Step::kWakeRing, 1}};

}  // namespace

void producer_deaths(Table& table, std::uint32_t workers, Extent /*extent*/) {
    const std::string where = in_group_of(workers);
    const auto round = [workers](auto play, auto... arguments) {
        return [=](Place death) { return play(workers, arguments..., death); };
    };
    const Script copies(6, Command{.op = Op::kPublish});
    Script loans(6, Command{.op = Op::kLoan});
    loans.insert(loans.begin() + 2, Command{.op = Op::kReturnLoan});

    explore(table, "publish, first messages", where, round(first_round));
    explore(table, "publish by copy", where, round(publish_round, copies));
    explore(table, "loan, fill in place, publish", where, round(publish_round, loans));
    explore(table, "publish and wake sleepers", where, round(waking_round, publish(1)));
    explore(table, "publish in place and wake sleepers", where,
            round(waking_round, Script{{.op = Op::kLoan}}));
    for (const Step stopped_at : {Step::kReload, Step::kHoldPending}) {
        for (const bool goes_on_first : {true, false}) {
            explore(table, "publish and help",
                    where + ", consumer stopped at " + to_string(stopped_at) +
                        (goes_on_first ? ", goes on at once" : ", goes on after a lap"),
                    round(helping_round, stopped_at, goes_on_first));
        }
    }
    for (const Place first : kPublishPlaces) {
        const std::string after = where + ", after a death before " + to_string(first);
        explore(table, "producer recovery", after, round(recovery_round, first));
        explore(table, "publish after recovery", after, round(after_recovery_round, first));
    }
    for (const Place first : kWakePlaces) {
        explore(table, "producer recovery", where + ", after a death before " + to_string(first),
                round(recovery_round, first));
    }
}

}  // namespace shmipc::crash
