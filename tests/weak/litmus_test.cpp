// The model itself: small programs of which the standard says which outcomes there are.
#include "search.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::test::weak {
namespace {

using protocol::Step;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kAcqRel = std::memory_order_acq_rel;
constexpr auto kSeqCst = std::memory_order_seq_cst;

/// One thread of a litmus test, on two words and with a place for what it reads.
class Thread {
  public:
    Thread(Search& search, unsigned actor, std::array<std::atomic<std::uint64_t>, 2>& words,
           std::string& result)
        : search_(search), actor_(actor), memory_(search, actor), words_(words), result_(result) {}

    void store(unsigned word, std::uint64_t value, std::memory_order order) {
        memory_.store(Step::kLook, words_.at(word), value, order);
    }
    void load(unsigned word, std::memory_order order) {
        note(memory_.load(Step::kLook, words_.at(word), order));
    }
    void add(unsigned word, std::memory_order order) {
        memory_.fetch_add(Step::kLook, words_.at(word), std::uint64_t{1}, order);
    }
    /// From 1 to 2.
    void compare(unsigned word, std::memory_order success, std::memory_order failure) {
        std::uint64_t expected = 1;
        const bool done = memory_.compare_exchange(Step::kLook, words_.at(word), expected,
                                                   std::uint64_t{2}, success, failure);
        note(done ? 9 : expected);
    }
    void fence(std::memory_order order) { memory_.fence(Step::kLook, order); }
    void barrier() { memory_.mark(Step::kSleepBarrier); }
    void write_block() { search_.write_block(actor_, 0); }
    /// If the last load returned something.
    void read_block() {
        if (result_.back() != '0') {
            search_.read_block(actor_, 0);
        }
    }

  private:
    void note(std::uint64_t value) { result_ += std::to_string(value); }

    Search& search_;
    unsigned actor_;
    WeakMemory memory_;
    std::array<std::atomic<std::uint64_t>, 2>& words_;
    std::string& result_;
};

using Program = std::function<void(Thread&)>;

class Litmus : public Scenario {
  public:
    explicit Litmus(std::vector<Program> programs)
        : Scenario("litmus", {.actors = static_cast<unsigned>(programs.size())}),
          programs_(std::move(programs)) {}

    void declare(WeakMemoryModel& memory) override {
        memory.declare(words_[0]);
        memory.declare(words_[1]);
        memory.declare_blocks(1);
    }
    void reset() override {
        for (auto& word : words_) {
            word.store(0);
        }
        for (std::string& result : results_) {
            result.clear();
        }
    }
    void act(Search& search, unsigned actor) override {
        Thread thread(search, actor, words_, results_.at(actor));
        programs_.at(actor)(thread);
    }
    void finish(Search& /*search*/) override {
        std::string outcome;
        for (const std::string& result : results_) {
            outcome += result;
        }
        outcomes.insert(outcome);
    }

    std::set<std::string> outcomes;

  private:
    std::vector<Program> programs_;
    std::array<std::atomic<std::uint64_t>, 2> words_{};
    std::array<std::string, kMaxActors> results_;
};

struct Outcomes {
    std::set<std::string> all;
    bool race = false;
};

Outcomes run(std::vector<Program> programs) {
    Litmus litmus(std::move(programs));
    Search search(litmus);
    search.run();
    return {litmus.outcomes, !search.violation().empty()};
}

/// Whether an outcome, the values read in the order of the threads, can be.
bool can_be(const std::string& outcome, std::vector<Program> programs) {
    return run(std::move(programs)).all.contains(outcome);
}

/// A store and a load in each of two threads, of each other's words.
std::vector<Program> store_buffering(std::memory_order store, std::memory_order load,
                                     std::memory_order left = kRelaxed,
                                     std::memory_order right = kRelaxed) {
    const auto side = [=](unsigned own, std::memory_order fence) {
        return [=](Thread& thread) {
            thread.store(own, 1, store);
            thread.fence(fence);
            thread.load(1 - own, load);
        };
    };
    return {side(0, left), side(1, right)};
}

/// Data, then a flag; the flag, then the data.
std::vector<Program> message_passing(std::memory_order store, std::memory_order load,
                                     std::memory_order release_fence = kRelaxed,
                                     std::memory_order acquire_fence = kRelaxed) {
    return {[=](Thread& thread) {
                thread.store(0, 1, kRelaxed);
                thread.fence(release_fence);
                thread.store(1, 1, store);
            },
            [=](Thread& thread) {
                thread.load(1, load);
                thread.fence(acquire_fence);
                thread.load(0, kRelaxed);
            }};
}

/// A block of bytes, handed over by a word that a third thread may change between.
std::vector<Program> hand_over(std::memory_order store, std::memory_order load, Program between) {
    return {[=](Thread& thread) {
                thread.write_block();
                thread.store(0, 1, store);
            },
            std::move(between),
            [=](Thread& thread) {
                thread.load(0, load);
                thread.read_block();
            }};
}

}  // namespace

TEST_CASE("of two threads that store and then load each other's word, one sees the other") {
    SUBCASE("not by release and acquire") {
        CHECK(can_be("00", store_buffering(kRelease, kAcquire)));
    }
    SUBCASE("by sequentially consistent operations, all of them") {
        CHECK_FALSE(can_be("00", store_buffering(kSeqCst, kSeqCst)));
        CHECK(can_be("00", store_buffering(kRelease, kSeqCst)));
        CHECK(can_be("00", store_buffering(kSeqCst, kAcquire)));
    }
    SUBCASE("by sequentially consistent fences, both of them") {
        CHECK_FALSE(can_be("00", store_buffering(kRelaxed, kRelaxed, kSeqCst, kSeqCst)));
        CHECK(can_be("00", store_buffering(kRelaxed, kRelaxed, kSeqCst, kAcqRel)));
    }
    SUBCASE("by a fence on one side and such operations on the other") {
        auto mixed = store_buffering(kRelaxed, kRelaxed, kSeqCst);
        mixed[1] = store_buffering(kSeqCst, kSeqCst)[1];
        CHECK_FALSE(can_be("00", mixed));
    }
    SUBCASE("by membarrier on one side") {
        auto barrier = store_buffering(kRelaxed, kRelaxed);
        barrier[0] = [](Thread& thread) {
            thread.store(0, 1, kRelaxed);
            thread.barrier();
            thread.load(1, kRelaxed);
        };
        CHECK_FALSE(can_be("00", barrier));
        CHECK(can_be("11", barrier));
    }
}

TEST_CASE("who sees the flag sees the data") {
    CHECK(can_be("10", message_passing(kRelaxed, kAcquire)));
    CHECK(can_be("10", message_passing(kRelease, kRelaxed)));
    CHECK_FALSE(can_be("10", message_passing(kRelease, kAcquire)));
    CHECK(can_be("00", message_passing(kRelease, kAcquire)));
    CHECK(can_be("01", message_passing(kRelease, kAcquire)));
    CHECK(can_be("11", message_passing(kRelease, kAcquire)));
    CHECK_FALSE(can_be("10", message_passing(kRelaxed, kRelaxed, kRelease, kAcquire)));
    CHECK(can_be("10", message_passing(kRelaxed, kRelaxed, kAcquire, kAcquire)));
    CHECK(can_be("10", message_passing(kRelaxed, kRelaxed, kRelease, kRelease)));
    CHECK_FALSE(can_be("10", message_passing(kRelaxed, kAcquire, kRelease)));
    CHECK_FALSE(can_be("10", message_passing(kRelease, kRelaxed, kRelaxed, kAcquire)));
}

TEST_CASE("a word does not go back") {
    const auto outcomes = run({[](Thread& thread) {
                                   thread.store(0, 1, kRelaxed);
                                   thread.store(0, 2, kRelaxed);
                               },
                               [](Thread& thread) {
                                   thread.load(0, kRelaxed);
                                   thread.load(0, kRelaxed);
                               }});
    CHECK(outcomes.all == std::set<std::string>{"00", "01", "02", "11", "12", "22"});
}

TEST_CASE(
    "two readers of two writers agree on the order only where all is sequentially consistent") {
    const auto independent = [](std::memory_order store, std::memory_order load) {
        const auto writer = [=](unsigned word) {
            return [=](Thread& thread) { thread.store(word, 1, store); };
        };
        const auto reader = [=](unsigned first) {
            return [=](Thread& thread) {
                thread.load(first, load);
                thread.load(1 - first, load);
            };
        };
        return std::vector<Program>{writer(0), writer(1), reader(0), reader(1)};
    };
    CHECK(can_be("1010", independent(kRelease, kAcquire)));
    CHECK_FALSE(can_be("1010", independent(kSeqCst, kSeqCst)));
}

TEST_CASE("a release sequence goes on through read-modify-writes and ends at a store") {
    const auto add = [](Thread& thread) { thread.add(0, kRelaxed); };
    const auto store = [](Thread& thread) { thread.store(0, 2, kRelaxed); };
    CHECK_FALSE(run({hand_over(kRelease, kAcquire, [](Thread& /*thread*/) {})}).race);
    CHECK(run({hand_over(kRelaxed, kAcquire, [](Thread& /*thread*/) {})}).race);
    CHECK(run({hand_over(kRelease, kRelaxed, [](Thread& /*thread*/) {})}).race);
    // Who reads what was stored or added between may not have synchronized with the writer.
    CHECK(run({hand_over(kRelease, kAcquire, store)}).race);
    const auto follow = [](Thread& thread) {
        thread.compare(0, kRelaxed, kRelaxed);  // 1 to 2, or it found none
    };
    CHECK_FALSE(run({hand_over(kRelease, kAcquire, follow)}).race);
    CHECK(run({hand_over(kRelease, kAcquire, add)}).race);  // it may come before the store
}

TEST_CASE("of two read-modify-writes each sees the other or is seen") {
    const auto outcomes = run({[](Thread& thread) {
                                   thread.add(0, kRelaxed);
                                   thread.load(0, kRelaxed);
                               },
                               [](Thread& thread) {
                                   thread.add(0, kRelaxed);
                                   thread.load(0, kRelaxed);
                               }});
    CHECK(outcomes.all == std::set<std::string>{"12", "21", "22"});
}

TEST_CASE("a compare-exchange that fails is a load with its own order") {
    const auto fail = [](std::memory_order failure) {
        return std::vector<Program>{[](Thread& thread) {
                                        thread.write_block();
                                        thread.store(0, 3, kRelease);
                                    },
                                    [=](Thread& thread) {
                                        thread.compare(0, kAcqRel, failure);
                                        thread.read_block();
                                    }};
    };
    CHECK_FALSE(run(fail(kAcquire)).race);
    CHECK(run(fail(kRelaxed)).race);
    CHECK(run(fail(kAcquire)).all == std::set<std::string>{"0", "3"});
}

}  // namespace shmipc::test::weak
