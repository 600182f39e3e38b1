// Sleeping and waking on plain words, under all interleavings.
#include "fiber.hpp"
#include "plain_channel.hpp"
#include <shmipc/protocol/sleep.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace shmipc;
using namespace shmipc::protocol;
using test::Chooser;
using test::Fiber;
using test::PlainChannel;

namespace {

/// Pauses its fiber before each step.
struct Pause {
    Fiber* fiber;
    void operator()(Step /*step*/) const { fiber->pause(); }
};
using Memory = HookedMemory<Pause>;

struct Outcome {
    std::uint64_t runs = 0;
    std::uint64_t slept = 0;
    std::string failure;
};

/// `sleepers` wait for each of `publishes` messages, or the ones after it; with `death`, the
/// producer may die at any step, and a successor rings everybody, as recovery does, and publishes
/// the rest.
Outcome search(std::uint32_t sleepers, std::uint64_t publishes, bool death,
               unsigned preemptions = 1'000) {
    PlainChannel memory(sleepers + 1);
    const Channel& channel = memory.channel();
    std::array<layout::SharedU32, 3> doorbells{};
    std::array<bool, 3> asleep{};
    std::array<std::uint32_t, 3> heard{};
    std::array<Fiber, 3> fibers;
    Chooser chooser;
    Outcome outcome;
    std::uint64_t published = 0;
    const auto wake = [&](std::size_t i) { asleep[i] = false; };
    const auto produce = [&] {
        Memory hooked(Pause{&fibers[0]});
        while (published < publishes) {
            hooked.store(Step::kPublish, channel.current(),
                         Current{published + 1, SlotIndex{0}}.raw(), std::memory_order_release);
            ++published;
            wake_sleepers(hooked, *channel.shared_part, sleepers + 1, false,
                          [&](WorkerIndex worker) {
                              const std::size_t i = to_number(worker);
                              raise(hooked, doorbells[i]);
                              hooked.mark(Step::kWakeCall);
                              wake(i);
                          });
        }
    };
    const auto sleep = [&](std::size_t i) {
        Memory hooked(Pause{&fibers[i]});
        std::uint64_t seen = 0;
        while (seen < publishes) {
            heard[i] = listen(hooked, doorbells[i]);
            enter(hooked, *channel.shared_part, WorkerIndex{static_cast<std::uint32_t>(i)});
            const std::uint64_t now =
                hooked.load(Step::kSleepLook, channel.current(), std::memory_order_relaxed) >> 16U;
            if (now != seen) {
                seen = now;
                continue;
            }
            hooked.mark(Step::kSleepCall);
            if (doorbells[i].load() == heard[i]) {
                asleep[i] = true;
                ++outcome.slept;
                fibers[i].pause();
            }
        }
    };
    do {
        memory.reset();
        asleep = {};
        published = 0;
        for (auto& doorbell : doorbells) {
            doorbell.store(0);
        }
        fibers[0].start(produce);
        for (std::uint32_t i = 1; i <= sleepers; ++i) {
            fibers[i].start([&, i] { sleep(i); });
        }
        bool may_die = death;
        unsigned left = preemptions;
        std::uint32_t last = 0;
        for (;;) {
            // The options: who goes on, the last one first; then the producer's death.
            std::array<std::uint32_t, 4> ready{};
            std::uint32_t count = 0;
            const bool could = fibers[last].alive() && !asleep[last];
            if (could) {
                ready[count++] = last;
            }
            for (std::uint32_t i = 0; i <= sleepers && (!could || left > 0); ++i) {
                if (i != last && fibers[i].alive() && !asleep[i]) {
                    ready[count++] = i;
                }
            }
            if (count == 0) {
                break;
            }
            const bool mortal = may_die && last == 0 && fibers[0].alive();
            const unsigned options = count + (mortal ? 1U : 0U);
            const unsigned choice = options == 1 ? 0 : chooser.choose(options);
            if (choice < count) {
                left -= could && choice > 0 ? 1U : 0U;
                last = ready[choice];
                fibers[last].resume();
                continue;
            }
            may_die = false;
            // What recovery does: sequence from the channel, and all doorbells.
            published = Current{channel.current().load()}.raw() >> 16U;
            for (std::uint32_t i = 1; i <= sleepers; ++i) {
                doorbells[i].fetch_add(1);
                wake(i);
            }
            fibers[0].start(produce);
        }
        for (std::uint32_t i = 1; i <= sleepers; ++i) {
            if (fibers[i].alive()) {
                outcome.failure = "a sleeper sleeps on though there is a message";
            }
        }
        ++outcome.runs;
    } while (outcome.failure.empty() && chooser.next());
    return outcome;
}

void check(const Outcome& outcome, std::uint64_t least) {
    CHECK_MESSAGE(outcome.failure.empty(), outcome.failure << ", in run " << outcome.runs);
    CHECK(outcome.runs >= least);
    CHECK(outcome.slept > 0);
    MESSAGE(outcome.runs << " interleavings");
}

}  // namespace

TEST_CASE("under the interleavings of falling asleep with publishing no wake-up is lost") {
    check(search(1, 1, false), 100);
    check(search(1, 2, false, 7), 10'000);
    check(search(2, 2, false, 3), 10'000);
}

TEST_CASE("nor is one when the producer dies anywhere and comes back") {
    check(search(1, 1, true), 500);
    check(search(1, 2, true, 4), 5'000);
}

TEST_CASE("the producer rings nobody when nobody sleeps, and everybody once who does") {
    PlainChannel memory(200);
    layout::SharedPart& shared = *memory.channel().shared_part;
    NativeMemory native;
    std::vector<std::uint32_t> rung;
    const auto ring = [&](WorkerIndex worker) { rung.push_back(to_number(worker)); };
    wake_sleepers(native, shared, 200, true, ring);
    CHECK(rung.empty());
    for (const std::uint32_t worker : {199U, 0U, 63U, 64U, 127U, 128U}) {
        enter(native, shared, WorkerIndex{worker});
    }
    CHECK(shared.waiting.load() == 1);
    wake_sleepers(native, shared, 200, false, ring);
    CHECK(rung == std::vector<std::uint32_t>{0, 63, 64, 127, 128, 199});
    CHECK(shared.waiting.load() == 0);
    wake_sleepers(native, shared, 200, false, ring);
    CHECK(rung.size() == 6);
    // Bits beyond the group, which only a scribbler can have set, ring nobody.
    shared.sleepers[3].store(~std::uint64_t{0});
    shared.waiting.store(1);
    rung.clear();
    wake_sleepers(native, shared, 200, false, ring);
    CHECK(rung == std::vector<std::uint32_t>{192, 193, 194, 195, 196, 197, 198, 199});
}
