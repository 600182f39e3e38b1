#include <shmipc/layout.hpp>
#include <shmipc/protocol/slots.hpp>
#include <shmipc/protocol/words.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

using namespace shmipc;
using namespace shmipc::protocol;

TEST_CASE("the word `current` gives back the sequence and the slot that it was made of") {
    for (const std::uint64_t sequence : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{0xffff},
                                         std::uint64_t{0x10000}, (std::uint64_t{1} << 48U) - 1}) {
        for (const std::uint32_t slot : {0U, 1U, 255U, 256U, 4095U}) {
            const Current word{sequence, SlotIndex{slot}};
            CHECK_FALSE(word.empty());
            CHECK(word.slot() == SlotIndex{slot});
            CHECK(word.names(sequence));
            CHECK_FALSE(word.names(sequence + 1));
            CHECK_FALSE(word.names(sequence - 1));
            CHECK(Current{word.raw()} == word);
        }
    }
}

TEST_CASE("zero is the only empty `current`, also where the sequence wraps") {
    CHECK(Current{}.empty());
    CHECK(Current{0}.empty());
    CHECK_FALSE(Current{std::uint64_t{1} << 48U, SlotIndex{0}}.empty());
    CHECK(Current{std::uint64_t{1} << 48U, SlotIndex{0}}.names(std::uint64_t{1} << 48U));
    CHECK(Current{(std::uint64_t{1} << 48U) + 5, SlotIndex{3}} == Current{5, SlotIndex{3}});
}

TEST_CASE("a corrupt `current` names a slot out of range instead of a wrong one") {
    // Sequence without slot: only a scribbler can have written that.
    CHECK(to_number(Current{std::uint64_t{7} << 16U}.slot()) >
          layout::Geometry::maximum_slots(kMaxWorkers));
}

TEST_CASE("a cell gives back the state and the slot that it was made of") {
    for (const CellState state : {CellState::kFree, CellState::kPending, CellState::kClaimed,
                                  CellState::kHeld, CellState::kKept}) {
        for (const std::uint32_t slot : {0U, 1U, 4095U}) {
            const CellWord word{state, SlotIndex{slot}};
            CHECK(word.state() == state);
            CHECK(word.slot() == SlotIndex{slot});
            CHECK(CellWord{word.raw()} == word);
            CHECK(word.whole() == (state == CellState::kHeld || state == CellState::kKept));
            CHECK(word.names_slot() == (word.whole() || state == CellState::kClaimed));
        }
    }
    CHECK(CellWord{}.state() == CellState::kFree);
    CHECK(CellWord{}.raw() == 0);
}

TEST_CASE("a scribbled cell is in no state that counts") {
    for (const std::uint32_t raw : {0x0005'0000U, 0xffff'ffffU, 0x8003'0001U}) {
        CHECK_FALSE(CellWord{raw}.whole());
        CHECK_FALSE(CellWord{raw}.names_slot());
    }
}

TEST_CASE("an origin and a time keep what was put into them, to the last bit") {
    for (const std::uint32_t incarnation : {0U, 1U, 0x7fff'ffffU, 0xffff'ffffU}) {
        for (const std::uint32_t size : {0U, 1U, 64U, static_cast<std::uint32_t>(kMaxCapacity)}) {
            for (const bool timed : {false, true}) {
                const Origin origin{Origin{incarnation, size, timed}.raw()};
                REQUIRE(origin.incarnation() == incarnation);
                REQUIRE(origin.size() == size);
                REQUIRE(origin.timed() == timed);
            }
        }
    }
    for (const std::uint64_t nanoseconds : {0ULL, 1ULL, (1ULL << 62U) - 1U}) {
        for (const std::uint32_t source : {0U, 1U, 2U, 3U}) {
            const Time time{Time{nanoseconds, source}.raw()};
            REQUIRE(time.nanoseconds() == nanoseconds);
            REQUIRE(time.source() == source);
        }
    }
}

TEST_CASE("of the free slots the one that was current last comes first") {
    RetiredSlots retired;
    SlotSet free;
    SlotIndex slot{0};
    free.fill(12);
    CHECK_FALSE(retired.pop_free(Current{}, free, slot));  // none has been current yet
    for (std::uint32_t i = 1; i <= 9; ++i) {
        free.fill(12);
        free.erase(SlotIndex{i});
        const bool found = retired.pop_free(Current{i, SlotIndex{i}}, free, slot);
        CHECK(found == (i > 1));
        CHECK((!found || slot == SlotIndex{i - 1}));
    }
    free.fill(12);
    free.erase(SlotIndex{9});
    free.erase(SlotIndex{8});
    CHECK(retired.pop_free(Current{9, SlotIndex{9}}, free, slot));  // the same current once more
    CHECK(slot == SlotIndex{7});
    for (std::uint32_t i = 2; i < 8; ++i) {
        free.erase(SlotIndex{i});
    }
    CHECK_FALSE(retired.pop_free(Current{9, SlotIndex{9}}, free, slot));  // 1 is forgotten
}

TEST_CASE("a set of slots gives each of its slots once, lowest first") {
    for (const std::uint32_t slots : {1U, 3U, 63U, 64U, 65U, 127U, 128U, 129U, 1025U, 4096U}) {
        SlotSet set;
        set.fill(slots);
        SlotIndex slot{0};
        for (std::uint32_t i = 0; i < slots; ++i) {
            REQUIRE(set.pop(slot));
            REQUIRE(slot == SlotIndex{i});
        }
        REQUIRE_FALSE(set.pop(slot));
        REQUIRE_FALSE(set.pop(slot));
    }
}

TEST_CASE("a set of slots finds what was put back, and not what was taken out") {
    SlotSet set;
    SlotIndex slot{0};
    REQUIRE_FALSE(set.pop(slot));
    CHECK_FALSE(set.has(SlotIndex{0}));
    set.fill(200);
    CHECK(set.has(SlotIndex{199}));
    CHECK_FALSE(set.has(SlotIndex{200}));
    for (std::uint32_t i = 0; i < 200; ++i) {
        if (i != 3 && i != 70 && i != 199) {
            set.erase(SlotIndex{i});
        }
    }
    REQUIRE(set.pop(slot));
    CHECK(slot == SlotIndex{3});
    CHECK_FALSE(set.has(SlotIndex{3}));
    REQUIRE(set.pop(slot));
    CHECK(slot == SlotIndex{70});
    set.insert(SlotIndex{5});
    REQUIRE(set.pop(slot));
    CHECK(slot == SlotIndex{5});
    REQUIRE(set.pop(slot));
    CHECK(slot == SlotIndex{199});
    CHECK_FALSE(set.pop(slot));
    set.insert(SlotIndex{150});
    REQUIRE(set.pop(slot));
    CHECK(slot == SlotIndex{150});
    set.fill(2);
    set.erase(SlotIndex{0});
    REQUIRE(set.pop(slot));
    CHECK(slot == SlotIndex{1});
    CHECK_FALSE(set.pop(slot));
}
