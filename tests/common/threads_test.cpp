// The protocol under real concurrency: a producer, its consumers and observers as threads. A
// program of its own, so that ThreadSanitizer can run it alone.
#include "plain_channel.hpp"
#include <shmipc/protocol/copy.hpp>
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace shmipc;
using namespace shmipc::protocol;
using test::bytes_in;
using test::intact;
using test::PlainChannel;
using test::publish;
using test::sequence_in;

namespace {

std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const char* const text = std::getenv("SHMIPC_TEST_SEED");
        return text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
    }();
    return value;
}

/// Counts steps, and lets another thread run before one in `rarity` of them, so that the rare
/// interleavings happen on few processors too.
class Disturb {
  public:
    struct Counts {
        std::uint64_t pends = 0;  ///< (3): overtaken
        std::uint64_t helps = 0;  ///< (6): the helping CAS
    };
    Disturb(Counts* counts, std::uint64_t salt, std::uint64_t rarity) noexcept
        : counts_(counts), state_(seed() + salt), rarity_(rarity) {}

    void operator()(Step step) noexcept {
        counts_->pends += step == Step::kPend ? 1U : 0U;
        counts_->helps += step == Step::kHelp ? 1U : 0U;
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        if ((state_ >> 33U) % rarity_ == 0) {
            std::this_thread::yield();
        }
    }

  private:
    Counts* counts_;
    std::uint64_t state_;
    std::uint64_t rarity_;
};
using Disturbed = HookedMemory<Disturb>;

struct Tally {
    std::uint64_t reads = 0;
    std::uint64_t fresh = 0;
    std::uint64_t torn = 0;
    std::uint64_t reversed = 0;
    std::uint64_t failed = 0;
    Disturb::Counts steps;
};

constexpr std::uint32_t kSize = 251;  // no multiple of a word

Tally consume(const Channel& channel, CellIndex cell, const std::atomic<bool>& done) {
    Tally tally;
    ConsumerEnd<Disturbed> consumer(channel, cell,
                                    Disturbed(Disturb(&tally.steps, to_number(cell) + 1, 7)));
    std::uint64_t last = 0;
    std::uint64_t random = seed() ^ to_number(cell);
    while (!done.load(std::memory_order_relaxed)) {
        const Errc status = consumer.acquire();
        if (status == Errc::kEmpty) {
            continue;
        }
        if (status != Errc::kOk) {
            ++tally.failed;
            continue;
        }
        ++tally.reads;
        tally.fresh += consumer.fresh() ? 1U : 0U;
        const std::uint64_t sequence = sequence_in(channel, consumer.slot());
        tally.reversed += sequence < last || consumer.fresh() != (sequence != last) ? 1U : 0U;
        last = sequence;
        tally.torn += intact(bytes_in(channel, consumer.slot()), sequence) ? 0U : 1U;
        random = random * 6364136223846793005U + 1442695040888963407U;
        if ((random >> 40U) % 16 == 0) {
            std::this_thread::yield();  // with the message pinned
            tally.torn += intact(bytes_in(channel, consumer.slot()), sequence) ? 0U : 1U;
        }
        tally.failed += consumer.release((random >> 50U) % 4 != 0) == Errc::kOk ? 0U : 1U;
    }
    return tally;
}

Tally observe(const Channel& channel, const std::atomic<bool>& done) {
    Tally tally;
    ObserverEnd<> observer(channel);
    ObserverEnd<>::Copy copy;
    std::vector<std::byte> buffer(kSize);
    std::uint64_t last = 0;
    while (!done.load(std::memory_order_relaxed)) {
        const Errc status = observer.copy(buffer, copy);
        if (status == Errc::kOk) {
            ++tally.reads;
            tally.torn +=
                intact(buffer, copy.sequence) && copy.stamp.origin.size() == kSize ? 0U : 1U;
            tally.reversed += copy.sequence < last ? 1U : 0U;
            last = copy.sequence;
        } else if (status != Errc::kEmpty && status != Errc::kContended) {
            ++tally.failed;
        }
    }
    return tally;
}

/// One producer publishes until `messages` have been, and everybody has read and help has happened;
/// at the most `limit` messages.
void run(std::uint32_t workers, std::uint32_t slots, std::uint64_t messages, std::uint64_t limit) {
    CAPTURE(seed());
    CAPTURE(workers);
    CAPTURE(slots);
    PlainChannel memory(workers, kSize, slots);
    const Channel& channel = memory.channel();
    std::atomic<bool> done{false};
    std::vector<Tally> tallies(workers);  // the last one is the observer's
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < workers - 1; ++i) {
        threads.emplace_back([&, i] { tallies[i] = consume(channel, CellIndex{i}, done); });
    }
    threads.emplace_back([&] { tallies.back() = observe(channel, done); });
    Disturb::Counts steps;
    ProducerEnd<Disturbed> producer(channel, Disturbed(Disturb(&steps, 99, 61)));
    const bool recovered = producer.recover() == Errc::kOk;
    while (producer.sequence() < messages || (steps.helps == 0 && producer.sequence() < limit)) {
        publish(producer, kSize);
    }
    done = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(recovered);
    Tally all;
    for (const Tally& tally : tallies) {
        CHECK(tally.reads > 0);
        CHECK(tally.torn == 0);
        CHECK(tally.reversed == 0);
        CHECK(tally.failed == 0);
        all.reads += tally.reads;
        all.steps.pends += tally.steps.pends;
    }
    CHECK(all.steps.pends > 0);
    CHECK(steps.helps > 0);
    MESSAGE("seed " << seed() << ": " << producer.sequence() << " messages, " << all.reads
                    << " reads, " << all.steps.pends << " times overtaken, " << steps.helps
                    << " helps");
}

}  // namespace

TEST_CASE("threads that share a channel read whole messages in order, with the fewest slots") {
    for (const std::uint32_t consumers : {1U, 2U, 3U}) {
        run(consumers + 1, 0, 30'000, 10'000'000);
    }
}

TEST_CASE("threads that share a channel read whole messages in order, with slots to spare") {
    run(4, 10, 30'000, 10'000'000);
}

TEST_CASE("a consumer thread that stops with a message pinned delays nobody, and keeps it whole") {
    PlainChannel memory(3, kSize);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    publish(producer, kSize);
    std::atomic<int> stage{0};
    bool whole = false;
    std::thread stopped([&] {
        ConsumerEnd<> consumer(channel, CellIndex{0});
        const bool acquired = consumer.acquire() == Errc::kOk;
        stage = 1;
        stage.notify_all();
        stage.wait(1);
        whole = acquired && sequence_in(channel, consumer.slot()) == 1 &&
                intact(bytes_in(channel, consumer.slot()), 1);
    });
    stage.wait(0);
    for (int i = 0; i < 10'000; ++i) {
        publish(producer, kSize);
    }
    stage = 2;
    stage.notify_all();
    stopped.join();
    CHECK(whole);
    CHECK(producer.sequence() == 10'001);
}
