// Actor 0 publishes and wakes, the others sleep until they have seen the last message.
//
// The bits of `sleepers`, the flag and the doorbells are in the model; futex_wait(2) reads the
// newest value of its word, since the kernel orders that with futex_wake(2).
//
// The barrier is what sleep.cpp does, outside Memory: a fence, and where the producer is registered
// also membarrier.
#include "../common/plain_channel.hpp"
#include "scenarios.hpp"
#include <shmipc/protocol/sleep.hpp>

#include <array>
#include <cstdint>
#include <utility>

namespace shmipc::test::weak {
namespace {

using namespace protocol;

struct Plan {
    std::uint32_t sleepers = 1;
    std::uint64_t publishes = 1;
    bool fence = false;   ///< the producer has no membarrier
    unsigned deaths = 0;  ///< of the producer, at the most
    bool long_search = false;
};

/// Doorbells, and who sleeps on them.
class Bells {
  public:
    void declare(WeakMemoryModel& memory, std::uint32_t sleepers) {
        for (std::uint32_t i = 1; i <= sleepers; ++i) {
            memory.declare(words_[i]);
        }
    }
    void reset() noexcept {
        for (layout::SharedU32& word : words_) {
            word.store(0, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] layout::SharedU32& of(unsigned actor) { return words_.at(actor); }
    void ring(Search& search, WeakMemory& memory, unsigned actor) {
        raise(memory, of(actor));
        memory.mark(Step::kWakeCall);
        search.wake(actor);
    }
    void wait(Search& search, WeakMemory& memory, unsigned actor, std::uint32_t heard) {
        memory.mark(Step::kSleepCall);
        if (search.memory().newest(&of(actor)) == heard) {
            search.sleep(actor);
        }
    }

  private:
    std::array<layout::SharedU32, kMaxActors> words_{};
};

constexpr const char* kLost = "a sleeper sleeps on though there is a message";

class SleepScenario : public Scenario {
  public:
    SleepScenario(std::string name, const Plan& plan)
        : Scenario(std::move(name), {.actors = plan.sleepers + 1,
                                     .deaths = plan.deaths,
                                     .mortal = 1,
                                     .long_search = plan.long_search}),
          plan_(plan),
          memory_(plan.sleepers + 1) {}

    void declare(WeakMemoryModel& memory) override {
        memory.declare(channel().current());
        memory.declare(channel().shared_part->waiting);
        memory.declare(channel().shared_part->sleepers[0]);
        bells_.declare(memory, plan_.sleepers);
    }
    void reset() override {
        memory_.reset();
        bells_.reset();
        recovering_ = false;
    }
    void act(Search& search, unsigned actor) override {
        if (actor == 0) {
            produce(search);
        } else {
            sleep(search, actor);
        }
    }
    void finish(Search& search) override {
        for (std::uint32_t i = 1; i <= plan_.sleepers; ++i) {
            search.require(Search::kNobody, !search.asleep(i), kLost);
        }
    }

  private:
    static constexpr unsigned kRounds = 5;

    [[nodiscard]] const Channel& channel() const noexcept { return memory_.channel(); }

    void produce(Search& search) {
        WeakMemory memory(search, 0);
        if (std::exchange(recovering_, true)) {
            for (std::uint32_t i = 1; i <= plan_.sleepers; ++i) {
                bells_.ring(search, memory, i);
            }
        }
        std::uint64_t published = channel().current().load(std::memory_order_relaxed) >> 16U;
        while (published < plan_.publishes) {
            ++published;
            memory.store(Step::kPublish, channel().current(),
                         Current{published, SlotIndex{0}}.raw(), std::memory_order_release);
            wake_sleepers(
                memory, *channel().shared_part, plan_.sleepers + 1, plan_.fence,
                [&](WorkerIndex worker) { bells_.ring(search, memory, to_number(worker)); });
        }
    }

    /// As Membership::wait_until(), without its deadline.
    void sleep(Search& search, unsigned actor) {
        WeakMemory memory(search, actor);
        // Who is woken by a message that he has seen already looks once more. Bounded, since a
        // wrong order might let him do that for ever.
        for (unsigned round = 0; round < kRounds; ++round) {
            const std::uint32_t heard = listen(memory, bells_.of(actor));
            enter(memory, *channel().shared_part, WorkerIndex{actor});
            if (!plan_.fence) {
                memory.mark(Step::kSleepBarrier);
            } else {
                memory.fence(Step::kSleepBarrier, std::memory_order_seq_cst);
            }
            const std::uint64_t now =
                memory.load(Step::kSleepLook, channel().current(), std::memory_order_relaxed) >>
                16U;
            if (now == plan_.publishes) {
                return;
            }
            bells_.wait(search, memory, actor, heard);
        }
    }

    Plan plan_;
    PlainChannel memory_;
    Bells bells_;
    bool recovering_ = false;
};

/// A sleeper that asks no producer to ring, and so needs no barrier: it waits for a fact that
/// whoever makes it true rings for, as Membership does for all to have been there.
class RingScenario : public Scenario {
  public:
    explicit RingScenario(std::string name) : Scenario(std::move(name), {.actors = 2}) {}

    void declare(WeakMemoryModel& memory) override {
        memory.declare(fact_);
        bells_.declare(memory, 1);
    }
    void reset() override {
        fact_.store(0, std::memory_order_relaxed);
        bells_.reset();
    }
    void act(Search& search, unsigned actor) override {
        WeakMemory memory(search, actor);
        if (actor == 0) {
            search.point(actor);
            search.store(actor, &fact_, 1);
            bells_.ring(search, memory, 1);
            return;
        }
        for (unsigned round = 0; round < kRounds; ++round) {
            const std::uint32_t heard = listen(memory, bells_.of(actor));
            if (memory.load(Step::kSleepLook, fact_, std::memory_order_relaxed) != 0) {
                return;
            }
            bells_.wait(search, memory, actor, heard);
        }
    }
    void finish(Search& search) override {
        search.require(Search::kNobody, !search.asleep(1), kLost);
    }

  private:
    static constexpr unsigned kRounds = 4;

    layout::SharedU64 fact_{0};
    Bells bells_;
};

std::unique_ptr<Scenario> sleep(std::string name, const Plan& plan) {
    return std::make_unique<SleepScenario>(std::move(name), plan);
}

}  // namespace

std::vector<std::unique_ptr<Scenario>> sleep_scenarios() {
    std::vector<std::unique_ptr<Scenario>> all;
    all.push_back(std::make_unique<RingScenario>("ring"));
    all.push_back(sleep("sleeper", {.publishes = 2}));
    all.push_back(sleep("sleeper, fence", {.publishes = 2, .fence = true}));
    all.push_back(sleep("sleeper, dying producer", {.publishes = 1, .deaths = 1}));
    all.push_back(sleep("two sleepers", {.sleepers = 2, .publishes = 1}));
    all.push_back(sleep("sleeper, more messages", {.publishes = 3, .long_search = true}));
    all.push_back(sleep("sleeper, more messages, fence",
                        {.publishes = 3, .fence = true, .long_search = true}));
    all.push_back(sleep("sleeper, dying producer, more messages",
                        {.publishes = 2, .deaths = 1, .long_search = true}));
    all.push_back(sleep("sleeper, dying producer, more messages, fence",
                        {.publishes = 2, .fence = true, .deaths = 1, .long_search = true}));
    return all;
}

}  // namespace shmipc::test::weak
