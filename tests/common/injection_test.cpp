// Whole operations of one side in every gap between two steps of the other.
#include "fiber.hpp"
#include "plain_channel.hpp"
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <string>

using namespace shmipc;
using namespace shmipc::protocol;
using test::Chooser;
using test::PlainChannel;
using test::publish;
using test::sequence_in;
using test::whole;

namespace {

struct Inject {
    const std::function<void()>* action;
    void operator()(Step /*step*/) const { (*action)(); }
};
using InjectedMemory = HookedMemory<Inject>;

struct Death {};

/// How the consumer's cell stands when the acquire begins.
enum class Begin { kFree, kKeptOld, kKeptCurrent };

/// Runs one acquire for each way to put `amounts` publishes before each of its steps.
void inject_publishes(std::uint32_t workers, Begin begin, std::initializer_list<unsigned> amounts) {
    PlainChannel memory(workers, 16);
    const Channel& channel = memory.channel();
    Chooser chooser;
    std::uint64_t runs = 0;
    std::uint64_t overtaken = 0;
    std::string failure;
    const auto require = [&](bool holds, const char* what) {
        if (!holds && failure.empty()) {
            failure = what;
        }
    };
    do {
        memory.reset();
        ProducerEnd<> producer(channel);
        require(producer.recover() == Errc::kOk, "recover");
        // All the other consumers hold old messages: no slot is to spare.
        std::deque<ConsumerEnd<>> others;
        for (std::uint32_t i = 1; i < memory.consumers(); ++i) {
            publish(producer, 16);
            others.emplace_back(channel, CellIndex{i});
            require(others.back().acquire() == Errc::kOk, "another's acquire");
        }
        publish(producer, 16);
        bool active = false;
        bool inside = false;
        const std::function<void()> action = [&] {
            if (active && !inside) {
                inside = true;
                const unsigned amount =
                    *(amounts.begin() + chooser.choose(static_cast<unsigned>(amounts.size())));
                for (unsigned i = 0; i < amount; ++i) {
                    publish(producer, 16);
                }
                inside = false;
            }
        };
        ConsumerEnd<InjectedMemory> consumer(channel, CellIndex{0},
                                             InjectedMemory(Inject{&action}));
        std::uint64_t before = 0;
        if (begin != Begin::kFree) {
            require(consumer.acquire() == Errc::kOk && consumer.release() == Errc::kOk, "begin");
            before = sequence_in(channel, consumer.slot());
            if (begin == Begin::kKeptOld) {
                publish(producer, 16);
            }
        }
        const std::uint64_t floor = producer.sequence();
        active = true;
        const Errc status = consumer.acquire();
        require(status == Errc::kOk, "acquire failed");
        const std::uint64_t sequence = sequence_in(channel, consumer.slot());
        require(sequence >= floor && sequence >= before, "reversed");
        require(sequence <= producer.sequence(), "from the future");
        require(whole(channel, consumer.slot()), "torn");
        // It is the one that was acquired, and not a later one in its slot.
        require(consumer.last() == Current(sequence, consumer.slot()), "replaced");
        require(consumer.fresh() == (sequence != before), "fresh");
        overtaken += producer.sequence() > floor ? 1U : 0U;
        active = false;
        for (std::uint32_t i = 0; i < 2 * memory.slots(); ++i) {
            publish(producer, 16);
        }
        require(
            sequence_in(channel, consumer.slot()) == sequence && whole(channel, consumer.slot()),
            "overwritten while it was pinned");
        for (const auto& other : others) {
            require(whole(channel, other.slot()), "another's message was overwritten");
        }
        require(consumer.release() == Errc::kOk, "release");
        require(consumer.acquire() == Errc::kOk &&
                    sequence_in(channel, consumer.slot()) == producer.sequence(),
                "not the newest afterwards");
        ++runs;
    } while (failure.empty() && chooser.next());
    CHECK_MESSAGE(failure.empty(), failure << ", in run " << runs);
    CHECK(runs > 200);
    CHECK(overtaken > 100);
}

}  // namespace

TEST_CASE("publishes between the steps of an acquire, also laps of all slots, harm nothing") {
    for (const Begin begin : {Begin::kFree, Begin::kKeptOld, Begin::kKeptCurrent}) {
        inject_publishes(2, begin, {0, 1, 2, 3, 6});
        inject_publishes(3, begin, {0, 1, 4, 8});
        inject_publishes(5, begin, {0, 1, 7});
    }
}

TEST_CASE("acquires and releases between the steps of publishes find a whole message in order") {
    for (const std::uint32_t workers : {2U, 3U}) {
        PlainChannel memory(workers, 16);
        const Channel& channel = memory.channel();
        Chooser chooser;
        std::uint64_t runs = 0;
        std::uint64_t reads = 0;
        std::string failure;
        const auto require = [&](bool holds, const char* what) {
            if (!holds && failure.empty()) {
                failure = what;
            }
        };
        do {
            memory.reset();
            std::deque<ConsumerEnd<>> consumers;
            std::deque<std::uint64_t> seen(memory.consumers(), 0);
            for (std::uint32_t i = 0; i < memory.consumers(); ++i) {
                consumers.emplace_back(channel, CellIndex{i});
            }
            unsigned budget = 4;
            // At each step: nothing, or one of the consumers acquires or releases.
            const std::function<void()> action = [&] {
                const unsigned choice =
                    budget == 0 ? 0 : chooser.choose(static_cast<unsigned>(consumers.size()) + 1);
                if (choice == 0) {
                    return;
                }
                --budget;
                ConsumerEnd<>& consumer = consumers[choice - 1];
                if (consumer.pinned()) {
                    require(whole(channel, consumer.slot()) &&
                                sequence_in(channel, consumer.slot()) == seen[choice - 1],
                            "overwritten while it was pinned");
                    require(consumer.release() == Errc::kOk, "release");
                    return;
                }
                const Errc status = consumer.acquire();
                if (Current{channel.current().load()}.empty()) {
                    require(status == Errc::kEmpty, "not empty");
                    return;
                }
                require(status == Errc::kOk, "acquire");
                require(whole(channel, consumer.slot()), "torn");
                const std::uint64_t sequence = sequence_in(channel, consumer.slot());
                require(sequence >= seen[choice - 1], "reversed");
                require(Current{channel.current().load()}.names(sequence), "not the newest");
                seen[choice - 1] = sequence;
                ++reads;
            };
            ProducerEnd<InjectedMemory> producer(channel, InjectedMemory(Inject{&action}));
            require(producer.recover() == Errc::kOk, "recover");
            for (int i = 0; i < 3; ++i) {
                publish(producer, 16);
            }
            for (std::uint32_t i = 0; i < memory.consumers(); ++i) {
                require(!consumers[i].pinned() || whole(channel, consumers[i].slot()),
                        "overwritten while it was pinned");
            }
            ++runs;
        } while (failure.empty() && chooser.next());
        CHECK_MESSAGE(failure.empty(), failure << ", in run " << runs);
        CHECK(runs > 5'000);
        CHECK(reads > runs / 2);
    }
}

TEST_CASE(
    "a consumer that dies at any step while it is overtaken costs one slot until it is "
    "reclaimed") {
    std::uint64_t held = 0;
    for (const unsigned amount : {0U, 1U, 3U, 6U}) {
        for (int death = 0; death < 20; ++death) {
            PlainChannel memory(3, 16);
            const Channel& channel = memory.channel();
            ProducerEnd<> producer(channel);
            REQUIRE(producer.recover() == Errc::kOk);
            publish(producer, 16);
            int steps = 0;
            const std::function<void()> action = [&] {
                if (steps++ == death) {
                    throw Death{};
                }
                for (unsigned i = 0; i < amount; ++i) {
                    publish(producer, 16);
                }
            };
            ConsumerEnd<InjectedMemory> mortal(channel, CellIndex{0},
                                               InjectedMemory(Inject{&action}));
            try {
                for (int i = 0; i < 2; ++i) {
                    static_cast<void>(mortal.acquire());
                    static_cast<void>(mortal.release());
                }
            } catch (const Death&) {
            }
            // The other consumer and the producer notice nothing.
            ConsumerEnd<> other(channel, CellIndex{1});
            REQUIRE(other.acquire() == Errc::kOk);
            const std::uint64_t sequence = sequence_in(channel, other.slot());
            for (std::uint32_t i = 0; i < 3 * memory.slots(); ++i) {
                publish(producer, 16);
            }
            REQUIRE(sequence_in(channel, other.slot()) == sequence);
            REQUIRE(whole(channel, other.slot()));
            // A successor may read what was held, and gets the newest.
            ConsumerEnd<> successor(channel, CellIndex{0});
            const CellWord left = successor.inspect();
            if (left.whole()) {
                ++held;
                REQUIRE(whole(channel, left.slot()));
            }
            successor.reclaim();
            REQUIRE(successor.acquire() == Errc::kOk);
            REQUIRE(sequence_in(channel, successor.slot()) == producer.sequence());
        }
    }
    CHECK(held > 10);
}

TEST_CASE(
    "an overtaken acquire that finds what nobody publishes reads nothing, and says what it was") {
    PlainChannel memory(3, 16);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    publish(producer, 16);
    // What is scribbled, before which of the steps that follow (1): (2) sees that it was overtaken,
    // (3) asks for help, (4) loads again, (5) holds.
    const auto acquire = [&](int step, const std::function<void()>& scribble) {
        int steps = 0;
        bool announced = false;
        const std::function<void()> action = [&] {
            announced = announced || memory.cell(CellIndex{0}).state() == CellState::kClaimed;
            if (announced && steps++ == 0) {
                publish(producer, 16);
            }
            if (announced && steps == step) {
                scribble();
            }
        };
        ConsumerEnd<InjectedMemory> consumer(channel, CellIndex{0},
                                             InjectedMemory(Inject{&action}));
        const Errc status = consumer.acquire();
        CHECK_FALSE(consumer.pinned());
        CHECK(memory.cell(CellIndex{0}).state() == CellState::kFree);
        return status;
    };
    const std::uint64_t current = channel.current().load();
    CHECK(acquire(3, [&] { channel.current().store(Current(9, SlotIndex{4000}).raw()); }) ==
          Errc::kCorruptChannel);
    channel.current().store(current);
    CHECK(acquire(3, [&] { channel.current().store(0); }) == Errc::kCorruptChannel);
    channel.current().store(current);
    for (const CellWord word :
         {CellWord{CellState::kFree}, CellWord{CellState::kClaimed, SlotIndex{0}},
          CellWord{CellState::kHeld, SlotIndex{4000}}}) {
        CAPTURE(word.raw());
        CHECK(acquire(4, [&] { memory.scribble(CellIndex{0}, word.raw()); }) ==
              Errc::kCellOverwritten);
    }
    // And all is well for who comes next.
    ConsumerEnd<> next(channel, CellIndex{0});
    CHECK(next.acquire() == Errc::kOk);
    CHECK(whole(channel, next.slot()));
}
