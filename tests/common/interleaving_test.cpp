// The real code of the protocol under all interleavings of a bounded number of operations, with
// deaths: every shared operation is a point at which another actor may go on, or this one die.
#include "fiber.hpp"
#include "plain_channel.hpp"
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <map>
#include <string>

using namespace shmipc;
using namespace shmipc::protocol;
using test::Chooser;
using test::Fiber;
using test::PlainChannel;
using test::publish;
using test::sequence_in;
using test::whole;

namespace {

struct Scenario {
    std::uint32_t workers = 2;
    std::uint32_t slots = 3;
    std::uint32_t consumers = 1;   ///< that run; the other cells hold the first messages
    std::uint64_t before = 1;      ///< messages that were published before
    std::uint64_t publishes = 3;   ///< that run
    unsigned acquires = 1;         ///< of each consumer
    unsigned deaths = 0;           ///< at the most, of anybody
    unsigned preemptions = 1'000;  ///< at the most: switches away from one that could go on
};

/// One run of a scenario for each sequence of choices.
class Search {
  public:
    explicit Search(const Scenario& scenario)
        : scenario_(scenario), memory_(scenario.workers, 16, scenario.slots) {}

    void run() {
        do {
            run_once();
            ++runs;
        } while (failure.empty() && chooser_.next());
    }

    std::string failure;
    std::uint64_t runs = 0;
    std::map<Step, std::uint64_t> steps;  ///< how often each point was passed
    std::uint64_t inherited = 0;          ///< messages read again by a successor

  private:
    struct Actor {
        Fiber fiber;
        unsigned operations = 0;  ///< done, over all incarnations
        std::uint64_t seen = 0;   ///< highest sequence acquired
    };
    struct Hook {
        Search* search;
        Actor* actor;
        void operator()(Step step) const { search->point(step, *actor); }
    };
    using Memory = HookedMemory<Hook>;

    void point(Step step, Actor& actor) {
        switch (step) {
            // Those that commute with everything that another actor does.
            case Step::kScanFence:
            case Step::kWriteBegin:
            case Step::kWriteFence:
            case Step::kWriteHeader:
            case Step::kWriteSequence:
            case Step::kReadHeader:
            case Step::kVerify:
            case Step::kScanCurrent:
                return;
            default:
                ++steps[step];
                actor.fiber.pause();
        }
    }
    void require(bool holds, const char* what) {
        if (!holds && failure.empty()) {
            failure = what;
        }
    }
    [[nodiscard]] std::uint64_t newest() const {
        const Current current{channel().current().load()};
        return current.empty() ? 0 : sequence_in(channel(), current.slot());
    }
    [[nodiscard]] const Channel& channel() const { return memory_.channel(); }

    void consume(Actor& actor, CellIndex cell) {
        ConsumerEnd<Memory> end(channel(), cell, Memory(Hook{this, &actor}));
        const CellWord left = end.inspect();
        if (left.whole()) {
            ++inherited;
            require(whole(channel(), left.slot()), "a successor inherited a torn message");
            actor.fiber.pause();
            require(whole(channel(), left.slot()), "an inherited message was overwritten");
        }
        end.reclaim();
        while (actor.operations < scenario_.acquires) {
            const std::uint64_t floor = newest();
            const Errc status = end.acquire();
            if (status == Errc::kEmpty) {
                require(floor == 0, "empty after a message");
                ++actor.operations;
                continue;
            }
            require(status == Errc::kOk, "acquire failed");
            if (status != Errc::kOk) {
                return;
            }
            const std::uint64_t sequence = sequence_in(channel(), end.slot());
            require(whole(channel(), end.slot()), "torn");
            require(sequence >= floor, "older than what was current when acquire began");
            require(sequence >= actor.seen, "reversed");
            require(end.last() == Current(sequence, end.slot()), "replaced");
            actor.seen = sequence;
            actor.fiber.pause();
            require(sequence_in(channel(), end.slot()) == sequence && whole(channel(), end.slot()),
                    "overwritten while it was pinned");
            require(end.release() == Errc::kOk, "the cell was overwritten");
            ++actor.operations;
        }
    }
    void produce(Actor& actor) {
        ProducerEnd<Memory> end(channel(), Memory(Hook{this, &actor}));
        const std::uint64_t last = newest();
        require(end.recover() == Errc::kOk && end.sequence() == last, "the producer lost count");
        while (end.sequence() < scenario_.before + scenario_.publishes) {
            publish(end, 16);
        }
    }
    void start(std::uint32_t index) {
        Actor& actor = actors_[index];
        if (index == 0) {
            actor.fiber.start([this, &actor] { produce(actor); });
        } else {
            actor.fiber.start([this, &actor, index] { consume(actor, CellIndex{index - 1}); });
        }
    }

    void run_once() {
        memory_.reset();
        set_up();
        const std::uint32_t all = scenario_.consumers + 1;
        for (std::uint32_t i = 0; i < all; ++i) {
            actors_[i].operations = 0;
            actors_[i].seen = 0;
            start(i);
        }
        unsigned deaths = scenario_.deaths;
        unsigned preemptions = scenario_.preemptions;
        std::uint32_t last = all;
        for (;;) {
            // The options: who goes on, the last one first; then who dies.
            std::array<std::uint32_t, 4> alive{};
            std::uint32_t count = 0;
            const bool could = last < all && actors_[last].fiber.alive();
            if (could) {
                alive[count++] = last;
            }
            for (std::uint32_t i = 0; i < all && (!could || preemptions > 0); ++i) {
                if (i != last && actors_[i].fiber.alive()) {
                    alive[count++] = i;
                }
            }
            if (count == 0) {
                break;
            }
            const unsigned options = count + (deaths > 0 && could ? 1U : 0U);
            const unsigned choice = options == 1 ? 0 : chooser_.choose(options);
            if (choice == count) {
                --deaths;
                start(last);
                continue;
            }
            preemptions -= could && choice > 0 ? 1U : 0U;
            last = alive[choice];
            actors_[last].fiber.resume();
            if (!failure.empty()) {
                return;
            }
        }
        finish();
    }
    /// Cells beyond those of the scenario's consumers hold the oldest messages, so that there is no
    /// slot to spare.
    void set_up() {
        ProducerEnd<> end(channel());
        static_cast<void>(end.recover());
        std::uint32_t cell = scenario_.consumers;
        for (std::uint64_t i = 0; i < scenario_.before; ++i) {
            publish(end, 16);
            if (cell < memory_.consumers()) {
                memory_.scribble(CellIndex{cell++},
                                 CellWord{CellState::kHeld, end.current().slot()}.raw());
            }
        }
    }
    /// All have ended: the producer must find slots, and whoever comes the newest message.
    void finish() {
        ProducerEnd<> end(channel());
        require(end.recover() == Errc::kOk, "not recoverable at the end");
        for (std::uint32_t i = 0; i < 2 * scenario_.slots; ++i) {
            publish(end, 16);
        }
        for (std::uint32_t i = scenario_.consumers; i < memory_.consumers(); ++i) {
            require(whole(channel(), memory_.cell(CellIndex{i}).slot()), "an old pin was torn");
        }
        ConsumerEnd<> fresh(channel(), CellIndex{0});
        fresh.reclaim();
        require(
            fresh.acquire() == Errc::kOk && sequence_in(channel(), fresh.slot()) == end.sequence(),
            "the newest message is not to be had");
    }

    Scenario scenario_;
    PlainChannel memory_;
    Chooser chooser_;
    std::array<Actor, 3> actors_;
};

void search(const Scenario& scenario, std::uint64_t least) {
    Search all(scenario);
    all.run();
    CHECK_MESSAGE(all.failure.empty(), all.failure << ", in run " << all.runs);
    CHECK(all.runs >= least);
    // The paths that the search is for were taken.
    CHECK(all.steps[Step::kHold] > 0);
    CHECK(all.steps[Step::kHoldPending] > 0);
    CHECK((all.steps[Step::kHelp] > 0 || scenario.preemptions < 3));
    CHECK((scenario.deaths == 0 || all.inherited > 0));
    MESSAGE(all.runs << " interleavings, " << all.steps[Step::kHelp] << " helps tried, "
                     << all.inherited << " messages inherited");
}

}  // namespace

TEST_CASE("under every interleaving of an acquire with publishes a message is whole and in order") {
    SUBCASE("3 slots") {
        search({.publishes = 3}, 10'000);
    }
    SUBCASE("3 slots, more publishes") {
        search({.publishes = 4, .preemptions = 5}, 10'000);
    }
    SUBCASE("4 slots") {
        search({.slots = 4, .publishes = 4, .preemptions = 5}, 10'000);
    }
    SUBCASE("an empty channel") {
        search({.before = 0, .publishes = 4, .preemptions = 5}, 5'000);
    }
    SUBCASE("another consumer holds an old message") {
        search({.workers = 3, .slots = 4, .before = 2, .publishes = 4, .preemptions = 4}, 5'000);
    }
}

TEST_CASE("under the interleavings with deaths a message is whole and in order, and all go on") {
    SUBCASE("one death") {
        search({.publishes = 3, .deaths = 1, .preemptions = 4}, 10'000);
    }
    SUBCASE("two deaths") {
        search({.publishes = 3, .deaths = 2, .preemptions = 2}, 10'000);
    }
    SUBCASE("a death on an empty channel") {
        search({.before = 0, .publishes = 3, .deaths = 1, .preemptions = 4}, 5'000);
    }
}

TEST_CASE("under the interleavings of several acquires in a row the sequence does not go back") {
    search({.publishes = 4, .acquires = 3, .preemptions = 4}, 10'000);
}

TEST_CASE("under the interleavings of two consumers each has a whole message of its own") {
    SUBCASE("alive") {
        search({.workers = 3, .slots = 4, .consumers = 2, .publishes = 4, .preemptions = 3},
               10'000);
    }
    SUBCASE("dying") {
        search({.workers = 3,
                .slots = 4,
                .consumers = 2,
                .publishes = 3,
                .deaths = 1,
                .preemptions = 2},
               5'000);
    }
}
