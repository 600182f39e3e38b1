// Messages of all sizes arrive whole, at consumers and at observers.
#include "plain_channel.hpp"
#include <shmipc/protocol/copy.hpp>
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

using namespace shmipc;
using namespace shmipc::protocol;
using test::bytes_in;
using test::intact;
using test::PlainChannel;
using test::publish;
using test::sequence_in;
using test::whole;

namespace {

std::vector<std::uint32_t> sizes(std::uint32_t capacity) {
    std::vector<std::uint32_t> all;
    for (std::uint32_t size = 0; size <= 127 && size <= capacity; ++size) {
        all.push_back(size);
    }
    for (std::uint32_t power = 128; power <= capacity; power *= 2) {
        for (const std::uint32_t size : {power - 1, power, power + 1}) {
            if (size <= capacity) {
                all.push_back(size);
            }
        }
    }
    all.push_back(capacity);
    return all;
}

/// Publishes each size in turn; consumer and observer must get exactly that.
void sweep(std::uint64_t capacity) {
    PlainChannel memory(2, capacity);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    ConsumerEnd<> consumer(channel, CellIndex{0});
    ObserverEnd<> observer(channel);
    ObserverEnd<>::Copy copy;
    // Nothing beyond the message may be touched.
    std::vector<std::byte> buffer(static_cast<std::size_t>(capacity) + 8);
    for (const std::uint32_t size : sizes(static_cast<std::uint32_t>(capacity))) {
        publish(producer, size);
        REQUIRE(consumer.acquire() == Errc::kOk);
        REQUIRE(bytes_in(channel, consumer.slot()).size() == size);
        REQUIRE(intact(bytes_in(channel, consumer.slot()), producer.sequence()));
        REQUIRE(consumer.release() == Errc::kOk);
        std::fill(buffer.begin(), buffer.end(), std::byte{0xa5});
        REQUIRE(observer.copy(std::span(buffer).first(static_cast<std::size_t>(capacity)), copy) ==
                Errc::kOk);
        REQUIRE(copy.sequence == producer.sequence());
        REQUIRE(copy.stamp.origin.size() == size);
        REQUIRE(intact(std::span(buffer).first(size), copy.sequence));
        REQUIRE(std::all_of(buffer.begin() + size, buffer.end(),
                            [](std::byte byte) { return byte == std::byte{0xa5}; }));
    }
}

}  // namespace

TEST_CASE("payloads of every length up to the capacity arrive whole, tail included") {
    for (std::uint64_t capacity = kMinCapacity; capacity <= 130; ++capacity) {
        sweep(capacity);
    }
    for (std::uint64_t power = 256; power <= 8192; power *= 2) {
        sweep(power - 1);
        sweep(power);
        sweep(power + 1);
    }
    sweep(1U << 20U);
}

TEST_CASE("neighbouring slots do not touch each other, whatever the capacity") {
    for (std::uint64_t capacity = kMinCapacity; capacity <= 200; ++capacity) {
        PlainChannel memory(3, capacity);
        const Channel& channel = memory.channel();
        for (std::uint32_t s = 0; s < memory.slots(); ++s) {
            channel.header(SlotIndex{s}).sequence.store(s + 1);
            test::fill({channel.payload(SlotIndex{s}), capacity}, s + 1);
        }
        for (std::uint32_t s = 0; s < memory.slots(); ++s) {
            REQUIRE(sequence_in(channel, SlotIndex{s}) == s + 1);
            REQUIRE(intact({channel.payload(SlotIndex{s}), capacity}, s + 1));
        }
    }
}

TEST_CASE("long messages go round in the slots that the consumers leave, and no others") {
    // One reader that follows: one slot current, one kept, one to write. All others stay cold.
    PlainChannel memory(2, std::uint64_t{64} * 1024, 64);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    ConsumerEnd<> consumer(channel, CellIndex{0});
    std::set<std::uint32_t> used;
    for (int i = 0; i < 200; ++i) {
        publish(producer, 64 * 1024);
        used.insert(to_number(producer.current().slot()));
        REQUIRE(consumer.acquire() == Errc::kOk);
        REQUIRE(whole(channel, consumer.slot()));
        REQUIRE(consumer.release() == Errc::kOk);
    }
    CHECK(used.size() <= 3);
    // A slot that was taken and given back is as good as any.
    const SlotIndex slot = producer.take();
    producer.give_back(slot);
    CHECK(producer.take() == slot);
}

TEST_CASE("a message's description arrives with it") {
    PlainChannel memory(2);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    const SlotIndex slot = producer.take();
    producer.begin(slot);
    producer.publish(slot,
                     {.origin = Origin{0xffff'fff7, 0, true}, .time = Time{123'456'789'012, 2}});
    ObserverEnd<> observer(channel);
    ObserverEnd<>::Copy copy;
    REQUIRE(observer.copy({}, copy) == Errc::kOk);
    CHECK(copy.stamp.origin.incarnation() == 0xffff'fff7);
    CHECK(copy.stamp.origin.size() == 0);
    CHECK(copy.stamp.origin.timed());
    CHECK(copy.stamp.time.nanoseconds() == 123'456'789'012);
    CHECK(copy.stamp.time.source() == 2);
    CHECK(channel.header(slot).origin.load() == copy.stamp.origin.raw());
    CHECK(channel.header(slot).time.load() == copy.stamp.time.raw());
}

TEST_CASE("a message without a time leaves the slot's old one, and says so") {
    PlainChannel memory(2);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    const SlotIndex slot = producer.take();
    channel.header(slot).time.store(4711);
    producer.begin(slot);
    producer.publish(slot, {.origin = Origin{1, 64, false}, .time = {}});
    ObserverEnd<> observer(channel);
    ObserverEnd<>::Copy copy;
    std::array<std::byte, 64> bytes{};
    REQUIRE(observer.copy(bytes, copy) == Errc::kOk);
    CHECK(copy.stamp.origin.size() == 64);
    CHECK_FALSE(copy.stamp.origin.timed());
    CHECK(copy.stamp.time.raw() == 4711);
}

namespace {

/// Publishes `count` messages before the `at`-th step of a copy, and again each `period` steps.
struct Overtaker {
    ProducerEnd<>* producer;
    int* step;
    int at;
    int count;
    int period;
    void operator()(Step /*step*/) const {
        const int now = (*step)++;
        if (now == at || (period > 0 && now > at && (now - at) % period == 0)) {
            for (int i = 0; i < count; ++i) {
                publish(*producer);
            }
        }
    }
};
using Overtaken = ObserverEnd<HookedMemory<Overtaker>>;

}  // namespace

TEST_CASE("an observer that is overtaken at any step never takes a torn message for a whole one") {
    unsigned retried = 0;
    for (const int count : {1, 2, 3, 5, 7}) {
        for (int at = 0; at < 14; ++at) {
            PlainChannel memory(2);
            ProducerEnd<> producer(memory.channel());
            REQUIRE(producer.recover() == Errc::kOk);
            publish(producer);
            int step = 0;
            Overtaken observer(memory.channel(),
                               HookedMemory<Overtaker>(Overtaker{&producer, &step, at, count, 0}));
            std::vector<std::byte> buffer(64);
            Overtaken::Copy copy;
            REQUIRE(observer.copy(buffer, copy) == Errc::kOk);
            REQUIRE(copy.stamp.origin.size() == 64);
            REQUIRE(intact(buffer, copy.sequence));
            REQUIRE((copy.sequence == 1 || copy.sequence == producer.sequence()));
            retried += step > 12 ? 1U : 0U;
        }
    }
    // current, before, eight words, fence, after: twelve steps without a retry.
    CHECK(retried > 20);
}

TEST_CASE("an observer that is overtaken in every try gives up, told as contention") {
    PlainChannel memory(2);
    ProducerEnd<> producer(memory.channel());
    REQUIRE(producer.recover() == Errc::kOk);
    publish(producer);
    int step = 0;
    Overtaken observer(memory.channel(),
                       HookedMemory<Overtaker>(Overtaker{&producer, &step, 0, 3, 1}));
    std::vector<std::byte> buffer(64);
    Overtaken::Copy copy;
    CHECK(observer.copy(buffer, copy) == Errc::kContended);
    CHECK(step >= 64);
    CHECK(step <= 64 * 12);
}

TEST_CASE("an observer sees a slot in flux, and gets the message once it is whole") {
    PlainChannel memory(2);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    ObserverEnd<> observer(channel);
    ObserverEnd<>::Copy copy;
    std::vector<std::byte> buffer(64);
    CHECK(observer.copy(buffer, copy) == Errc::kEmpty);
    publish(producer);
    // Being written again, as `current` was read just before.
    const SlotIndex slot = producer.current().slot();
    producer.begin(slot);
    CHECK(observer.copy(buffer, copy) == Errc::kContended);
    channel.header(slot).sequence.store(1);
    CHECK(observer.copy(buffer, copy) == Errc::kOk);
    CHECK(copy.sequence == 1);
}

TEST_CASE("an observer never copies beyond its buffer or the capacity") {
    PlainChannel memory(2);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    publish(producer);
    ObserverEnd<> observer(channel);
    ObserverEnd<>::Copy copy;
    std::vector<std::byte> buffer(64);
    CHECK(observer.copy(std::span(buffer).first(63), copy) == Errc::kTooLarge);
    channel.header(producer.current().slot()).origin.store(Origin{1, 65, false}.raw());
    CHECK(observer.copy(buffer, copy) == Errc::kCorruptChannel);
    channel.header(producer.current().slot()).origin.store(Origin{1, 0xffff'ffff, false}.raw());
    CHECK(observer.copy(buffer, copy) == Errc::kCorruptChannel);
    channel.header(producer.current().slot()).origin.store(Origin{1, 64, false}.raw());
    channel.current().store(Current{1, SlotIndex{3}}.raw());
    CHECK(observer.copy(buffer, copy) == Errc::kCorruptChannel);
}
