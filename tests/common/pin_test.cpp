// The rules of the protocol, one operation after the other.
#include "plain_channel.hpp"
#include <shmipc/protocol/pin.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <vector>

using namespace shmipc;
using namespace shmipc::protocol;
using test::PlainChannel;
using test::publish;
using test::sequence_in;
using test::whole;

namespace {

/// A producer and all consumers of one channel.
struct Fixture {
    explicit Fixture(std::uint32_t workers, std::uint64_t capacity = 64, std::uint32_t slots = 0)
        : memory(workers, capacity, slots), channel(memory.channel()), producer(channel) {
        for (std::uint32_t i = 0; i < memory.consumers(); ++i) {
            consumers.emplace_back(channel, CellIndex{i});
        }
        REQUIRE(producer.recover() == Errc::kOk);
    }
    [[nodiscard]] std::uint64_t sequence(const ConsumerEnd<>& consumer) const {
        return sequence_in(channel, consumer.slot());
    }

    PlainChannel memory;
    const Channel& channel;
    ProducerEnd<> producer;
    std::deque<ConsumerEnd<>> consumers;
};

constexpr std::initializer_list<std::uint32_t> kGroupSizes{2, 3, 5, 31, 64, 256};

}  // namespace

TEST_CASE("a channel in which nothing was published is empty, and can be asked again") {
    Fixture all(3);
    for (int i = 0; i < 3; ++i) {
        CHECK(all.consumers[0].acquire() == Errc::kEmpty);
        CHECK_FALSE(all.consumers[0].pinned());
        CHECK_FALSE(all.consumers[0].has_newer());
        CHECK(all.consumers[0].release() == Errc::kNotPinned);
    }
    CHECK(all.memory.cell(CellIndex{0}).state() == CellState::kFree);
    publish(all.producer);
    CHECK(all.consumers[0].has_newer());
    CHECK(all.consumers[0].acquire() == Errc::kOk);
    CHECK(all.sequence(all.consumers[0]) == 1);
}

TEST_CASE("sequences begin at 1 and grow by one with each message") {
    Fixture all(2);
    CHECK(all.producer.sequence() == 0);
    CHECK(all.producer.current().empty());
    for (std::uint64_t i = 1; i <= 20; ++i) {
        publish(all.producer);
        CHECK(all.producer.sequence() == i);
        REQUIRE(all.consumers[0].acquire() == Errc::kOk);
        CHECK(all.sequence(all.consumers[0]) == i);
        CHECK(all.consumers[0].last() == all.producer.current());
        CHECK(all.consumers[0].release() == Errc::kOk);
    }
}

TEST_CASE("several consumers read one message at the same time") {
    for (const std::uint32_t workers : kGroupSizes) {
        Fixture all(workers);
        publish(all.producer);
        publish(all.producer);
        for (auto& consumer : all.consumers) {
            REQUIRE(consumer.acquire() == Errc::kOk);
            REQUIRE(all.sequence(consumer) == 2);
            REQUIRE(consumer.slot() == all.consumers[0].slot());
            REQUIRE(whole(all.channel, consumer.slot()));
        }
        for (auto& consumer : all.consumers) {
            REQUIRE(consumer.release() == Errc::kOk);
        }
    }
}

TEST_CASE("a consumer keeps its message while the producer laps every slot") {
    for (const std::uint32_t workers : kGroupSizes) {
        Fixture all(workers);
        publish(all.producer);
        auto& consumer = all.consumers.back();
        REQUIRE(consumer.acquire() == Errc::kOk);
        for (std::uint32_t i = 0; i < 5 * all.memory.slots(); ++i) {
            publish(all.producer);
            REQUIRE(all.producer.current().slot() != consumer.slot());
            REQUIRE(all.sequence(consumer) == 1);
            REQUIRE(whole(all.channel, consumer.slot()));
        }
        CHECK(consumer.release() == Errc::kOk);
    }
}

TEST_CASE(
    "N+1 slots are enough: all consumers pin different old messages, and the producer goes "
    "on") {
    for (const std::uint32_t workers : {2U, 3U, 5U, 31U, 64U, 256U, 1024U}) {
        Fixture all(workers);
        REQUIRE(all.memory.slots() == workers + 1);
        std::uint64_t expected = 0;
        for (auto& consumer : all.consumers) {
            publish(all.producer);
            REQUIRE(consumer.acquire() == Errc::kOk);
            REQUIRE(all.sequence(consumer) == ++expected);
        }
        for (std::uint32_t i = 0; i < 2 * workers + 3; ++i) {
            publish(all.producer);
        }
        CHECK(all.producer.sequence() == 3 * workers + 2);
        expected = 0;
        for (auto& consumer : all.consumers) {
            REQUIRE(all.sequence(consumer) == ++expected);
            REQUIRE(whole(all.channel, consumer.slot()));
            REQUIRE(consumer.release() == Errc::kOk);
            REQUIRE(consumer.acquire() == Errc::kOk);
            REQUIRE(all.sequence(consumer) == 3 * workers + 2);
        }
    }
}

TEST_CASE("a released message is kept as long as it is not asked for a newer one, at no cost") {
    Fixture all(2);
    publish(all.producer);
    auto& consumer = all.consumers[0];
    REQUIRE(consumer.acquire() == Errc::kOk);
    CHECK(consumer.fresh());
    const SlotIndex slot = consumer.slot();
    REQUIRE(consumer.release() == Errc::kOk);
    CHECK(all.memory.cell(CellIndex{0}) == CellWord{CellState::kKept, slot});
    CHECK_FALSE(consumer.has_newer());
    for (int i = 0; i < 3; ++i) {
        REQUIRE(consumer.acquire() == Errc::kOk);
        CHECK_FALSE(consumer.fresh());
        CHECK(consumer.slot() == slot);
        CHECK(all.memory.cell(CellIndex{0}) == CellWord{CellState::kHeld, slot});
        REQUIRE(consumer.release() == Errc::kOk);
    }
    CHECK(all.channel.cells[0].reads.load() == 1);
    publish(all.producer);
    CHECK(consumer.has_newer());
    REQUIRE(consumer.acquire() == Errc::kOk);
    CHECK(consumer.fresh());
    CHECK(all.channel.cells[0].reads.load() == 2);
}

TEST_CASE("no value of current, however hostile, is taken for the message that is kept") {
    Fixture all(2);
    auto& consumer = all.consumers[0];
    // The bits in which the consumer's end notes what it does with its cell.
    for (const std::uint64_t flags : {0x2000U, 0x4000U, 0x8000U, 0xa000U, 0xe000U}) {
        all.channel.current().store(flags);
        CHECK(consumer.acquire() == Errc::kCorruptChannel);
        CHECK_FALSE(consumer.pinned());
    }
    all.channel.current().store(0);
    publish(all.producer);
    const std::uint64_t current = all.channel.current().load();
    REQUIRE(consumer.acquire() == Errc::kOk);
    for (const std::uint64_t flags : {0x2000U, 0x4000U, 0x8000U, 0xa000U}) {
        all.channel.current().store(current | flags);
        CHECK(consumer.acquire() == Errc::kAlreadyPinned);
    }
    REQUIRE(consumer.release() == Errc::kOk);
    for (const std::uint64_t flags : {0x2000U, 0x4000U, 0x8000U, 0xa000U}) {
        all.channel.current().store(current | flags);
        CHECK(consumer.acquire() == Errc::kCorruptChannel);
    }
    all.channel.current().store(current);
    CHECK(consumer.acquire() == Errc::kOk);
}

TEST_CASE(
    "a message that is released for good frees its slot, and is not fresh when acquired "
    "again") {
    Fixture all(2);
    publish(all.producer);
    auto& consumer = all.consumers[0];
    REQUIRE(consumer.acquire() == Errc::kOk);
    REQUIRE(consumer.release(false) == Errc::kOk);
    CHECK(all.memory.cell(CellIndex{0}).state() == CellState::kFree);
    REQUIRE(consumer.acquire() == Errc::kOk);
    CHECK_FALSE(consumer.fresh());
    CHECK(all.sequence(consumer) == 1);
    CHECK(all.channel.cells[0].reads.load() == 1);
}

TEST_CASE("releasing what one does not hold is an error and changes nothing") {
    Fixture all(3);
    publish(all.producer);
    auto& first = all.consumers[0];
    auto& second = all.consumers[1];
    REQUIRE(first.acquire() == Errc::kOk);
    CHECK(second.release() == Errc::kNotPinned);
    CHECK(all.memory.cell(CellIndex{0}).state() == CellState::kHeld);
    CHECK(all.memory.cell(CellIndex{1}).state() == CellState::kFree);
    CHECK(first.release() == Errc::kOk);
    CHECK(first.release() == Errc::kNotPinned);
    CHECK(first.release(false) == Errc::kNotPinned);
    CHECK(all.memory.cell(CellIndex{0}).state() == CellState::kKept);
}

TEST_CASE("pinning twice is an error and leaves the first pin as it is") {
    Fixture all(2);
    publish(all.producer);
    auto& consumer = all.consumers[0];
    REQUIRE(consumer.acquire() == Errc::kOk);
    publish(all.producer);
    CHECK(consumer.acquire() == Errc::kAlreadyPinned);
    CHECK(consumer.pinned());
    CHECK(all.sequence(consumer) == 1);
    CHECK(consumer.release() == Errc::kOk);
    CHECK(consumer.acquire() == Errc::kOk);
    CHECK(all.sequence(consumer) == 2);
}

TEST_CASE("a slot that was taken and given back leaves no trace") {
    Fixture all(2);
    publish(all.producer);
    for (int i = 0; i < 10; ++i) {
        const SlotIndex slot = all.producer.take();
        all.producer.begin(slot);
        test::fill({all.channel.payload(slot), 64}, 999);
        all.producer.give_back(slot);
        CHECK(all.producer.take() == slot);
        all.producer.give_back(slot);
        CHECK(all.producer.sequence() == 1);
        CHECK(all.consumers[0].has_newer() == (i == 0));
        REQUIRE(all.consumers[0].acquire() == Errc::kOk);
        CHECK(all.sequence(all.consumers[0]) == 1);
        CHECK(whole(all.channel, all.consumers[0].slot()));
        REQUIRE(all.consumers[0].release() == Errc::kOk);
    }
    publish(all.producer);
    CHECK(all.producer.sequence() == 2);
}

TEST_CASE("the producer never takes a slot that is current or that a cell names") {
    for (const std::uint32_t workers : {2U, 3U, 5U, 31U}) {
        for (const std::uint32_t slots : {workers + 1, 2 * workers + 2, 4 * workers}) {
            Fixture all(workers, 64, slots > 4 * workers ? 4 * workers : slots);
            std::uint64_t random = workers;
            for (int i = 0; i < 2000; ++i) {
                random = random * 6364136223846793005U + 1442695040888963407U;
                auto& consumer = all.consumers[(random >> 33U) % all.consumers.size()];
                if (consumer.pinned()) {
                    REQUIRE(whole(all.channel, consumer.slot()));
                    REQUIRE(consumer.release((random >> 60U) % 2 == 0) == Errc::kOk);
                } else if (all.producer.sequence() > 0) {
                    REQUIRE(consumer.acquire() == Errc::kOk);
                    REQUIRE(all.sequence(consumer) == all.producer.sequence());
                }
                const SlotIndex slot = all.producer.take();
                REQUIRE((all.producer.current().empty() || all.producer.current().slot() != slot));
                for (std::uint32_t c = 0; c < all.memory.consumers(); ++c) {
                    const CellWord cell = all.memory.cell(CellIndex{c});
                    REQUIRE_FALSE((cell.names_slot() && cell.slot() == slot));
                }
                all.producer.give_back(slot);
                publish(all.producer);
            }
        }
    }
}

TEST_CASE("the sequence goes on where the 48 bits of `current` wrap") {
    Fixture all(2);
    publish(all.producer);
    // As if two months had passed: 48 bits all set, published by a predecessor.
    constexpr std::uint64_t kLast = (std::uint64_t{3} << 48U) - 1;
    const SlotIndex slot = all.producer.current().slot();
    all.channel.header(slot).sequence.store(kLast);
    test::fill({all.channel.payload(slot), 64}, kLast);
    all.channel.current().store(Current{kLast, slot}.raw());
    ProducerEnd<> successor(all.channel);
    REQUIRE(successor.recover() == Errc::kOk);
    CHECK(successor.sequence() == kLast);
    auto& consumer = all.consumers[0];
    for (std::uint64_t i = 0; i < 6; ++i) {
        REQUIRE(consumer.acquire() == Errc::kOk);
        CHECK(all.sequence(consumer) == kLast + i);
        CHECK(consumer.fresh());
        CHECK(whole(all.channel, consumer.slot()));
        REQUIRE(consumer.release() == Errc::kOk);
        publish(successor);
    }
}
