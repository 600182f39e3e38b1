// Sleeping and waking where somebody dies, or has scribbled on the words.
#include "sleeper.hpp"
#include <shmipc/protocol/publish.hpp>
#include <shmipc/protocol/sleep.hpp>

#include <doctest/doctest.h>

#include <csignal>

#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using protocol::Step;

TEST_CASE("a killed sleeper costs one needless wake, and delays nobody") {
    const GroupGuard guard(3);
    Worker worker = attach(guard, kFirst);
    Producer<Bytes> producer = worker.producer();
    const detail::Mapping channel = map(guard, kFirst);
    Child killed(sleeper(guard, kSecond, {kFirst}));
    killed.hear();
    until_asleep(killed, channel);
    CHECK(killed.kill().signal == SIGKILL);
    CHECK(channel.channel().shared_part->sleepers[0].load() == 2);
    Child alive(sleeper(guard, kThird, {kFirst}));
    alive.hear();
    until_asleep(alive, channel);
    REQUIRE(producer.publish(kText) == Errc::kOk);
    CHECK(alive.wait().status == 0);
    CHECK(channel.channel().shared_part->sleepers[0].load() == 0);
    CHECK(channel.channel().shared_part->waiting.load() == 0);
    REQUIRE(producer.publish(kText) == Errc::kOk);
}

namespace {

/// Kills the process before a step.
struct DieAt {
    Step step;
    void operator()(Step now) const {
        if (now == step) {
            ::kill(::getpid(), SIGKILL);
        }
    }
};

}  // namespace

TEST_CASE(
    "a producer that dies anywhere while it wakes its sleepers wakes them when it comes "
    "back") {
    for (const Step step :
         {Step::kWakeLook, Step::kWakeClear, Step::kWakeTake, Step::kWakeRing, Step::kWakeCall}) {
        const GroupGuard guard(2);
        static_cast<void>(Group::create_or_open(guard.config));
        const detail::Mapping channel = map(guard, kFirst);
        Child child(sleeper(guard, kSecond, {kFirst}));
        child.hear();
        until_asleep(child, channel);
        Child producer([&](Child::Line&) {
            const Worker worker = attach(guard, kFirst);
            const detail::Mapping own = map(guard, kFirst);  // the parent's is not inherited
            // The attach has woken it: until it sleeps again.
            until_asleep(child, own);
            const detail::Mapping other = map(guard, kSecond);
            protocol::ProducerEnd<> end(own.channel());
            static_cast<void>(end.recover());
            const SlotIndex slot = end.take();
            end.begin(slot);
            end.publish(slot, {.origin = protocol::Origin{1, 1, false}, .time = {}});
            protocol::HookedMemory<DieAt> memory(DieAt{step});
            protocol::wake_sleepers(memory, *own.channel().shared_part, 2, false, [&](WorkerIndex) {
                memory.mark(Step::kWakeRing);
                layout::SharedU32& doorbell = other.channel().shared_part->doorbell;
                doorbell.fetch_add(1);
                memory.mark(Step::kWakeCall);
            });
            return 1;
        });
        REQUIRE(producer.wait().signal == SIGKILL);
        const Worker successor = attach(guard, kFirst);
        CHECK(child.wait().status == 0);
    }
}

TEST_CASE("scribbled sleepers cost needless wakes at the most") {
    const GroupGuard guard(3);
    Worker worker = attach(guard, kFirst);
    const detail::Mapping channel = map(guard, kFirst);
    for (auto& word : channel.channel().shared_part->sleepers) {
        word.store(~std::uint64_t{0});
    }
    channel.channel().shared_part->waiting.store(0xdead'beef);
    REQUIRE(worker.producer().publish(kText) == Errc::kOk);
    CHECK(channel.channel().shared_part->waiting.load() == 0);
    CHECK(channel.channel().shared_part->sleepers[0].load() == 0);
}
