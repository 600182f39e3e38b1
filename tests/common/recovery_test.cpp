// Deaths, and words that another process has scribbled on.
#include "plain_channel.hpp"
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace shmipc;
using namespace shmipc::protocol;
using test::PlainChannel;
using test::publish;
using test::sequence_in;
using test::whole;

namespace {

struct Death {};

/// Throws at the `steps`-th step: out of the protocol between two steps, as a death would.
struct DieAfter {
    int* steps;
    void operator()(Step /*step*/) const {
        if ((*steps)-- == 0) {
            throw Death{};
        }
    }
};
using MortalMemory = HookedMemory<DieAfter>;

/// The consumer of a group of two with one message published, and a cell left in `state`.
struct Left {
    explicit Left(CellState state) : channel(memory.channel()), producer(channel) {
        REQUIRE(producer.recover() == Errc::kOk);
        publish(producer);
        slot = producer.current().slot();
        memory.scribble(CellIndex{0},
                        CellWord{state, state == CellState::kPending ? SlotIndex{0} : slot}.raw());
    }
    PlainChannel memory{2};
    const Channel& channel;
    ProducerEnd<> producer;
    SlotIndex slot{0};
};

}  // namespace

TEST_CASE("a message that a dead consumer held or kept stays whole until it is reclaimed") {
    for (const CellState state : {CellState::kHeld, CellState::kKept}) {
        Left left(state);
        for (int i = 0; i < 20; ++i) {
            publish(left.producer);
        }
        ConsumerEnd<> successor(left.channel, CellIndex{0});
        const CellWord found = successor.inspect();
        CHECK(found.state() == state);
        CHECK(found.whole());
        CHECK(sequence_in(left.channel, found.slot()) == 1);
        CHECK(whole(left.channel, found.slot()));
        successor.reclaim();
        CHECK(left.memory.cell(CellIndex{0}).state() == CellState::kFree);
        CHECK(successor.acquire() == Errc::kOk);
        CHECK(sequence_in(left.channel, successor.slot()) == 21);
        CHECK(successor.fresh());
    }
}

TEST_CASE("a dead consumer's claim proves nothing, and costs one slot until it is reclaimed") {
    Left left(CellState::kClaimed);
    for (int i = 0; i < 20; ++i) {
        publish(left.producer);
        CHECK(left.producer.current().slot() != left.slot);
    }
    ConsumerEnd<> successor(left.channel, CellIndex{0});
    CHECK_FALSE(successor.inspect().whole());
    CHECK(successor.inspect().state() == CellState::kClaimed);
    successor.reclaim();
    bool reused = false;
    for (int i = 0; i < 4; ++i) {
        publish(left.producer);
        reused = reused || left.producer.current().slot() == left.slot;
    }
    CHECK(reused);
}

TEST_CASE("a dead consumer that was waiting for help is helped once, and recovered as a holder") {
    Left left(CellState::kPending);
    ConsumerEnd<> successor(left.channel, CellIndex{0});
    CHECK_FALSE(successor.inspect().whole());
    while (left.memory.cell(CellIndex{0}).state() == CellState::kPending) {
        REQUIRE(left.producer.sequence() < 10);
        publish(left.producer);
    }
    const CellWord found = successor.inspect();
    CHECK(found.state() == CellState::kHeld);
    for (int i = 0; i < 20; ++i) {
        publish(left.producer);
    }
    CHECK(successor.inspect() == found);
    CHECK(whole(left.channel, found.slot()));
    successor.reclaim();
    CHECK(successor.acquire() == Errc::kOk);
    CHECK(sequence_in(left.channel, successor.slot()) == left.producer.sequence());
}

TEST_CASE("a free cell has nothing to recover, and recovering twice changes nothing") {
    for (const CellState state : {CellState::kFree, CellState::kPending, CellState::kClaimed,
                                  CellState::kHeld, CellState::kKept}) {
        Left left(state);
        for (int i = 0; i < 3; ++i) {
            ConsumerEnd<> successor(left.channel, CellIndex{0});
            CHECK(successor.inspect().state() == (i == 0 ? state : CellState::kFree));
            successor.reclaim();
            CHECK(left.memory.cell(CellIndex{0}).raw() == 0);
        }
    }
}

TEST_CASE("a producer that dies at any step leaves the last message, and its successor goes on") {
    // How many messages were published at all the deaths, so that deaths before and after (8) both
    // have happened.
    unsigned before = 0;
    unsigned after = 0;
    for (int death = 0; death < 40; ++death) {
        PlainChannel memory(3);
        const Channel& channel = memory.channel();
        {
            ProducerEnd<> first(channel);
            REQUIRE(first.recover() == Errc::kOk);
            publish(first);
            publish(first);
        }
        ConsumerEnd<> holder(channel, CellIndex{0});
        ConsumerEnd<> reader(channel, CellIndex{1});
        REQUIRE(holder.acquire() == Errc::kOk);
        int steps = death;
        bool died = false;
        ProducerEnd<MortalMemory> mortal(channel, MortalMemory(DieAfter{&steps}));
        try {
            // No REQUIRE around it: that would catch the death.
            static_cast<void>(mortal.recover());
            publish(mortal);
            publish(mortal);
        } catch (const Death&) {
            died = true;
        }
        const Current left{channel.current().load()};
        const std::uint64_t last = sequence_in(channel, left.slot());
        REQUIRE(left.names(last));
        REQUIRE((last == 2 || last == 3 || last == 4));
        (last == 2 ? before : after) += died ? 1U : 0U;
        REQUIRE(reader.acquire() == Errc::kOk);
        REQUIRE(sequence_in(channel, reader.slot()) == last);
        REQUIRE(whole(channel, reader.slot()));

        ProducerEnd<> successor(channel);
        REQUIRE(successor.recover() == Errc::kOk);
        REQUIRE(successor.sequence() == last);
        for (unsigned i = 0; i < 3 * memory.slots(); ++i) {
            publish(successor);
        }
        REQUIRE(successor.sequence() == last + std::uint64_t{3} * memory.slots());
        REQUIRE(sequence_in(channel, holder.slot()) == 2);
        REQUIRE(whole(channel, holder.slot()));
        REQUIRE(sequence_in(channel, reader.slot()) == last);
        REQUIRE(whole(channel, reader.slot()));
    }
    CHECK(before >= 5);
    CHECK(after >= 5);
}

TEST_CASE("a producer that dies before its first message leaves an empty channel") {
    for (int death = 0; death < 10; ++death) {
        PlainChannel memory(2);
        int steps = death;
        ProducerEnd<MortalMemory> mortal(memory.channel(), MortalMemory(DieAfter{&steps}));
        bool died = false;
        try {
            static_cast<void>(mortal.recover());
            publish(mortal);
        } catch (const Death&) {
            died = true;
        }
        ProducerEnd<> successor(memory.channel());
        REQUIRE(successor.recover() == Errc::kOk);
        CHECK(successor.sequence() == (died ? 0 : 1));
        ConsumerEnd<> consumer(memory.channel(), CellIndex{0});
        CHECK(consumer.acquire() == (died ? Errc::kEmpty : Errc::kOk));
        publish(successor);
        CHECK(consumer.acquire() == (died ? Errc::kOk : Errc::kAlreadyPinned));
    }
}

TEST_CASE("a `current` that the protocol cannot produce is reported and harms nobody") {
    PlainChannel memory(2);
    const Channel& channel = memory.channel();
    ProducerEnd<> producer(channel);
    REQUIRE(producer.recover() == Errc::kOk);
    publish(producer);
    const Current good = producer.current();
    ConsumerEnd<> consumer(channel, CellIndex{0});
    for (const std::uint64_t raw :
         {Current(1, SlotIndex{3}).raw(), Current(1, SlotIndex{0xfffe}).raw(),
          std::uint64_t{1} << 16U, ~std::uint64_t{0}, Current(7, good.slot()).raw()}) {
        channel.current().store(raw);
        CHECK(consumer.acquire() == Errc::kCorruptChannel);
        CHECK_FALSE(consumer.pinned());
        CHECK(consumer.release() == Errc::kNotPinned);
        ProducerEnd<> successor(channel);
        CHECK(successor.recover() == Errc::kCorruptChannel);
        channel.current().store(good.raw());
        CHECK(consumer.acquire() == Errc::kOk);
        CHECK(consumer.release(false) == Errc::kOk);
    }
    // In range, but of another message than the slot's.
    for (const std::uint64_t sequence : {std::uint64_t{0}, std::uint64_t{2}}) {
        channel.current().store(Current(sequence, good.slot()).raw());
        ProducerEnd<> successor(channel);
        CHECK(successor.recover() == Errc::kCorruptChannel);
    }
    // A slot that says of itself that it is being written, or that it is longer than it can be.
    channel.current().store(good.raw());
    channel.header(good.slot()).sequence.store(0);
    CHECK(consumer.acquire() == Errc::kCorruptChannel);
    CHECK(memory.cell(CellIndex{0}).state() == CellState::kFree);
    channel.header(good.slot()).sequence.store(1);
    channel.header(good.slot()).origin.store(Origin{1, 65, false}.raw());
    CHECK(consumer.acquire() == Errc::kCorruptChannel);
    CHECK(memory.cell(CellIndex{0}).state() == CellState::kFree);
    // Emptied under a consumer that has read.
    channel.header(good.slot()).origin.store(Origin{1, 64, false}.raw());
    REQUIRE(consumer.acquire() == Errc::kOk);
    REQUIRE(consumer.release() == Errc::kOk);
    channel.current().store(0);
    CHECK(consumer.acquire() == Errc::kCorruptChannel);
}

TEST_CASE("a cell that was overwritten under its consumer is told at release, and costs no more") {
    for (const std::uint32_t raw :
         {std::uint32_t{0}, CellWord{CellState::kHeld, SlotIndex{2}}.raw(),
          CellWord{CellState::kKept, SlotIndex{0}}.raw(), CellWord{CellState::kPending}.raw(),
          std::uint32_t{0xffff'ffff}, CellWord{CellState::kHeld, SlotIndex{0xffff}}.raw()}) {
        PlainChannel memory(2);
        ProducerEnd<> producer(memory.channel());
        REQUIRE(producer.recover() == Errc::kOk);
        publish(producer);
        ConsumerEnd<> consumer(memory.channel(), CellIndex{0});
        REQUIRE(consumer.acquire() == Errc::kOk);
        memory.scribble(CellIndex{0}, raw);
        CHECK(consumer.release() == Errc::kCellOverwritten);
        CHECK_FALSE(consumer.pinned());
        CHECK(memory.cell(CellIndex{0}).state() == CellState::kFree);
        REQUIRE(consumer.acquire() == Errc::kOk);
        CHECK(whole(memory.channel(), consumer.slot()));
        CHECK(consumer.release() == Errc::kOk);
    }
}

TEST_CASE("whatever is scribbled into the cells, the producer finds a slot") {
    for (const std::uint32_t workers : {2U, 3U, 31U}) {
        PlainChannel memory(workers);
        ProducerEnd<> producer(memory.channel());
        REQUIRE(producer.recover() == Errc::kOk);
        std::uint64_t random = 7;
        for (int i = 0; i < 5000; ++i) {
            for (std::uint32_t c = 0; c < memory.consumers(); ++c) {
                random = random * 6364136223846793005U + 1442695040888963407U;
                const auto state = static_cast<std::uint32_t>(random >> 40U) % 7U;
                const auto slot = static_cast<std::uint32_t>(random >> 50U) % (workers + 4);
                memory.scribble(CellIndex{c}, (random >> 63U) != 0
                                                  ? static_cast<std::uint32_t>(random >> 16U)
                                                  : state << 16U | slot);
            }
            publish(producer);
        }
        CHECK(producer.sequence() == 5000);
        for (std::uint32_t c = 0; c < memory.consumers(); ++c) {
            ConsumerEnd<> consumer(memory.channel(), CellIndex{c});
            static_cast<void>(consumer.inspect());
            consumer.reclaim();
            REQUIRE(consumer.acquire() == Errc::kOk);
            REQUIRE(sequence_in(memory.channel(), consumer.slot()) == 5000);
        }
    }
}

TEST_CASE("a cell that names a slot beyond the channel is not taken for an inherited message") {
    PlainChannel memory(2);
    memory.scribble(CellIndex{0}, CellWord{CellState::kHeld, SlotIndex{3}}.raw());
    ConsumerEnd<> successor(memory.channel(), CellIndex{0});
    CHECK(successor.inspect().state() == CellState::kFree);
    memory.scribble(CellIndex{0}, CellWord{CellState::kHeld, SlotIndex{2}}.raw());
    CHECK(successor.inspect().state() == CellState::kHeld);
}
