// Actor 0 publishes, the others acquire and release, each with a cell of its own.
//
// Payloads are bytes that are not atomic: the model sees to it that nobody reads one while it is
// written, or that a wrong order would let him.
//
// What the ends read outside their Memory: the header's sequence after the producer has helped, and
// its origin. Each is one more load with all its choices (after()). Their orders are relaxed, so
// that there is nothing to weaken. So are those of `reads` and `time`, which nothing depends on,
// and of the producer's loads of what it has written itself.
#include "../common/plain_channel.hpp"
#include "scenarios.hpp"
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace shmipc::test::weak {
namespace {

using namespace protocol;

struct Plan {
    std::uint32_t slots = 3;
    std::uint32_t consumers = 1;  ///< that run; another one's cell may hold the first message
    bool old_pin = false;         ///< it does
    std::uint64_t before = 1;     ///< messages that were published before
    std::uint64_t publishes = 3;  ///< that run
    unsigned acquires = 1;        ///< of each consumer
    bool keep = true;             ///< at release
    bool rescan = false;          ///< before each publish, as for long messages
    unsigned deaths = 0;          ///< at the most
    unsigned mortal = 0;          ///< a bit for each actor that may die
    bool long_search = false;
};

class PinScenario : public Scenario {
  public:
    PinScenario(std::string name, const Plan& plan)
        : Scenario(std::move(name), {.actors = plan.consumers + 1,
                                     .deaths = plan.deaths,
                                     .mortal = plan.mortal,
                                     .long_search = plan.long_search}),
          plan_(plan),
          memory_(plan.consumers + (plan.old_pin ? 2 : 1), plan.rescan ? kLong : kBytes,
                  plan.slots) {}

    void declare(WeakMemoryModel& memory) override {
        memory.declare(channel().current());
        for (std::uint32_t i = 0; i < memory_.consumers(); ++i) {
            memory.declare(channel().cell(CellIndex{i}));
        }
        for (std::uint32_t i = 0; i < plan_.slots; ++i) {
            memory.declare(header(i).sequence);
            memory.declare(header(i).origin);
        }
        memory.declare_blocks(plan_.slots);
    }

    void reset() override {
        // No more than what is used of the memory.
        channel().current().store(0, std::memory_order_relaxed);
        for (std::uint32_t i = 0; i < memory_.consumers(); ++i) {
            memory_.scribble(CellIndex{i}, CellWord{CellState::kFree}.raw());
        }
        for (std::uint32_t i = 0; i < plan_.slots; ++i) {
            header(i).sequence.store(0, std::memory_order_relaxed);
            header(i).origin.store(0, std::memory_order_relaxed);
        }
        holders_.fill(0);
        seen_.fill(0);
        acquired_.fill(0);
        published_ = 0;
        ProducerEnd<> end(channel());
        static_cast<void>(end.recover());
        while (published_ < plan_.before) {
            test::publish(end, kBytes);
            ++published_;
            if (plan_.old_pin && published_ == 1) {
                memory_.scribble(CellIndex{plan_.consumers},
                                 CellWord{CellState::kHeld, end.current().slot()}.raw());
            }
        }
    }

    void act(Search& search, unsigned actor) override {
        if (actor == 0) {
            produce(search);
        } else {
            consume(search, actor);
        }
    }

    void after(Search& search, unsigned actor, Step step, const void* word,
               std::uint64_t value) override {
        if (step == Step::kReadHeader) {
            search.point(actor);
            search.expose(actor, &static_cast<const layout::SlotHeader*>(word)->origin);
        } else if (step == Step::kHoldPending) {
            const CellWord helped{static_cast<std::uint32_t>(value)};
            if (channel().has(helped.slot())) {
                search.point(actor);
                search.expose(actor, &header(to_number(helped.slot())).sequence);
            }
        }
    }

    void finish(Search& search) override {
        search.require(Search::kNobody, published_ == plan_.before + plan_.publishes,
                       "the producer stopped early");
    }

  private:
    static constexpr std::uint32_t kBytes = 16;     ///< of each message
    static constexpr std::uint64_t kLong = 16'384;  ///< capacity that has publish.hpp rescan
    // Operations on shared memory, at the most: the promise of wait-freedom.
    static constexpr unsigned kMostOfAcquire = 7;
    static constexpr unsigned kMostOfRelease = 2;
    static constexpr unsigned kMostOfPublish = 6;

    [[nodiscard]] const Channel& channel() const noexcept { return memory_.channel(); }
    [[nodiscard]] layout::SlotHeader& header(std::uint32_t slot) const noexcept {
        return channel().header(SlotIndex{slot});
    }

    /// The payload, as its reader would find it.
    void read(Search& search, unsigned actor, SlotIndex slot, std::uint64_t sequence) {
        search.read_block(actor, to_number(slot));
        search.require(actor, intact({channel().payload(slot), kBytes}, sequence), "torn");
    }

    void consume(Search& search, unsigned actor) {
        ConsumerEnd<WeakMemory> end(channel(), CellIndex{actor - 1}, WeakMemory(search, actor));
        const CellWord left = end.inspect();
        if (left.whole()) {
            const SlotIndex slot = left.slot();
            read(search, actor, slot, search.expose(actor, &header(to_number(slot)).sequence));
        }
        holders_[actor] = 0;
        end.reclaim();
        while (acquired_[actor] < plan_.acquires) {
            unsigned begun = search.operations(actor);
            const auto outcome = end.pin();
            if (outcome.status == Errc::kEmpty) {
                search.require(actor, plan_.before == 0 && seen_[actor] == 0, "empty");
                ++acquired_[actor];
                continue;
            }
            search.require(actor, outcome.status == Errc::kOk, "an acquire failed");
            search.require(actor, search.operations(actor) - begun <= kMostOfAcquire,
                           "an acquire is too long");
            const std::uint64_t sequence = outcome.message.raw() >> 16U;
            const SlotIndex slot = outcome.message.slot();
            search.require(actor, sequence >= seen_[actor], "the sequence went back");
            search.require(actor,
                           Origin{header(to_number(slot)).origin.load(std::memory_order_relaxed)}
                                   .incarnation() == origin_of(sequence).incarnation(),
                           "the origin of another message");
            seen_[actor] = sequence;
            holders_[actor] = to_number(slot) + 1;
            read(search, actor, slot, sequence);
            search.point(actor);
            holders_[actor] = 0;
            begun = search.operations(actor);
            search.require(actor, end.release(plan_.keep) == Errc::kOk, "the cell was overwritten");
            search.require(actor, search.operations(actor) - begun <= kMostOfRelease,
                           "a release is too long");
            ++acquired_[actor];
        }
    }

    /// Incarnation 1 published what was there before, see publish().
    [[nodiscard]] Origin origin_of(std::uint64_t sequence) const noexcept {
        const bool old = sequence <= plan_.before;
        return {old ? 1U : static_cast<std::uint32_t>(sequence) + 1U, kBytes, false};
    }

    void produce(Search& search) {
        ProducerEnd<WeakMemory> end(channel(), WeakMemory(search, 0));
        const bool recovered = end.recover() == Errc::kOk;
        search.require(0, recovered && end.sequence() == published_, "the producer lost count");
        while (end.sequence() < plan_.before + plan_.publishes) {
            const unsigned begun = search.operations(0);
            const SlotIndex slot = end.take();
            search.require(
                0,
                std::find(holders_.begin(), holders_.end(), to_number(slot) + 1) == holders_.end(),
                "a slot that a consumer holds is taken");
            end.begin(slot);
            search.write_block(0, to_number(slot));
            const std::uint64_t sequence = end.sequence() + 1;
            fill({channel().payload(slot), kBytes}, sequence);
            end.publish(slot, {.origin = origin_of(sequence), .time = {}});
            published_ = sequence;
            search.require(
                0, search.operations(0) - begun <= kMostOfPublish + 1 + 2 * memory_.consumers(),
                "a publish is too long");
        }
    }

    Plan plan_;
    PlainChannel memory_;
    // Of this run. What outlives an actor.
    std::array<std::uint32_t, kMaxActors> holders_{};  ///< slot + 1 that each consumer reads
    std::array<std::uint64_t, kMaxActors> seen_{};     ///< highest sequence acquired
    std::array<unsigned, kMaxActors> acquired_{};
    std::uint64_t published_ = 0;
};

std::unique_ptr<Scenario> pin(std::string name, const Plan& plan) {
    return std::make_unique<PinScenario>(std::move(name), plan);
}

}  // namespace

std::vector<std::unique_ptr<Scenario>> pin_scenarios() {
    constexpr unsigned kProducer = 1U;
    constexpr unsigned kConsumer = 2U;
    std::vector<std::unique_ptr<Scenario>> all;
    all.push_back(pin("few steps", {.publishes = 1, .acquires = 2, .rescan = true}));
    all.push_back(pin("acquire", {.publishes = 4}));
    all.push_back(pin("acquire, not kept", {.publishes = 4, .keep = false}));
    all.push_back(pin("acquire, rescans", {.publishes = 3, .rescan = true}));
    all.push_back(pin("empty channel", {.before = 0, .publishes = 4, .acquires = 2}));
    all.push_back(pin("old pin", {.slots = 4, .old_pin = true, .before = 2, .publishes = 4}));
    all.push_back(pin("three acquires", {.publishes = 2, .acquires = 3, .rescan = true}));
    all.push_back(pin("two acquires", {.publishes = 3, .acquires = 2, .rescan = true}));
    all.push_back(pin("dying consumer", {.publishes = 3, .deaths = 1, .mortal = kConsumer}));
    all.push_back(
        pin("dying producer", {.publishes = 2, .rescan = true, .deaths = 1, .mortal = kProducer}));
    all.push_back(pin("two acquires, not kept",
                      {.publishes = 3, .acquires = 2, .keep = false, .rescan = true}));
    all.push_back(
        pin("two consumers",
            {.slots = 4, .consumers = 2, .publishes = 2, .rescan = true, .long_search = true}));
    return all;
}

}  // namespace shmipc::test::weak
