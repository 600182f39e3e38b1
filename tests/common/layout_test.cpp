#include <shmipc/layout.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

using namespace shmipc;
using layout::Geometry;

namespace {

std::vector<std::uint64_t> capacities() {
    std::vector<std::uint64_t> all;
    for (std::uint64_t capacity = kMinCapacity; capacity <= 300; ++capacity) {
        all.push_back(capacity);
    }
    for (std::uint64_t power = 512; power <= kMaxCapacity; power *= 2) {
        all.insert(all.end(), {power - 1, power, power + 1});
    }
    all.pop_back();  // beyond the limit
    return all;
}

Geometry minimal(std::uint32_t workers, std::uint64_t capacity) {
    return {workers, Geometry::minimum_slots(workers), capacity};
}

}  // namespace

TEST_CASE("the fewest slots are one for each consumer, the current one, and one to write into") {
    CHECK(Geometry::minimum_slots(2) == 3);
    CHECK(Geometry::minimum_slots(kMaxWorkers) == kMaxWorkers + 1);
    for (std::uint32_t workers = kMinWorkers; workers <= kMaxWorkers; ++workers) {
        const Geometry shape = minimal(workers, 64);
        REQUIRE(shape.valid());
        REQUIRE(shape.slots == shape.consumers() + 2);
    }
}

TEST_CASE("workers, slots and capacity are valid up to their limits and not beyond") {
    CHECK(minimal(2, 64).valid());
    CHECK(minimal(1024, 64).valid());
    CHECK_FALSE(minimal(0, 64).valid());
    CHECK_FALSE(minimal(1, 64).valid());
    CHECK_FALSE(minimal(1025, 64).valid());
    CHECK(minimal(2, 8).valid());
    CHECK_FALSE(minimal(2, 7).valid());
    CHECK_FALSE(minimal(2, 0).valid());
    CHECK(minimal(2, std::uint64_t{1} << 30U).valid());
    CHECK_FALSE(minimal(2, (std::uint64_t{1} << 30U) + 1).valid());
    CHECK_FALSE(minimal(2, std::numeric_limits<std::uint64_t>::max()).valid());
    CHECK_FALSE(Geometry{4, 4, 64}.valid());
    CHECK(Geometry{4, 5, 64}.valid());
    CHECK(Geometry{4, 64, 64}.valid());
    CHECK_FALSE(Geometry{4, 65, 64}.valid());
    CHECK(Geometry{17, 68, 64}.valid());
    CHECK_FALSE(Geometry{17, 69, 64}.valid());
    CHECK_FALSE(Geometry{4, std::numeric_limits<std::uint32_t>::max(), 64}.valid());
    CHECK_FALSE(Geometry{}.valid());
}

TEST_CASE("the default number of slots is valid, and spares what a few pages hold") {
    const auto spare = [](std::uint32_t workers, std::uint64_t capacity) {
        const std::uint32_t slots = Geometry::default_slots(workers, capacity);
        REQUIRE(Geometry{workers, slots, capacity}.valid());
        return slots - Geometry::minimum_slots(workers);
    };
    CHECK(spare(2, 8) == 29);
    CHECK(spare(2, 64) == 29);
    CHECK(spare(128, 64) == 129);
    CHECK(spare(1024, 64) == 512);
    CHECK(spare(2, 4096) == 15);
    CHECK(spare(2, 64U << 10U) == 0);
    CHECK(spare(1024, 1U << 30U) == 0);
    // Also of what is not valid, so that the error can be told.
    CHECK(Geometry::default_slots(3, ~std::uint64_t{63}) == 4);
    for (std::uint32_t workers = kMinWorkers; workers <= kMaxWorkers; ++workers) {
        for (const std::uint64_t capacity : capacities()) {
            static_cast<void>(spare(workers, capacity));
        }
    }
}

TEST_CASE("a slot's number fits into the words of the protocol, in the largest group too") {
    CHECK(Geometry::maximum_slots(kMaxWorkers) < 0xffffU);
}

TEST_CASE("every payload is aligned for any type that fits into it, and stays within its stride") {
    for (const std::uint64_t capacity : capacities()) {
        const Geometry shape = minimal(2, capacity);
        const std::uint64_t offset = shape.payload_offset();
        REQUIRE(offset >= sizeof(layout::SlotHeader));
        REQUIRE(shape.stride() % layout::kCacheLine == 0);
        REQUIRE(offset + capacity <= shape.stride());
        REQUIRE(shape.stride() - (offset + capacity) < layout::kCacheLine);
        // The strictest alignment of a type of at most `capacity` bytes.
        std::uint64_t alignment = 1;
        while (alignment < 64 && alignment * 2 <= capacity) {
            alignment *= 2;
        }
        for (std::uint32_t slot = 0; slot < 4; ++slot) {
            REQUIRE((shape.slots_offset() + slot * shape.stride() + offset) % alignment == 0);
        }
    }
}

TEST_CASE("a small message shares the cache line of its header") {
    CHECK(minimal(2, 32).stride() == 64);
    CHECK(minimal(2, 33).stride() == 128);
    CHECK(minimal(2, 64).stride() == 128);
    CHECK(minimal(2, 65).stride() == 192);
}

TEST_CASE("the three parts of an object begin at multiples of 64 KiB and do not overlap") {
    for (std::uint32_t workers = kMinWorkers; workers <= kMaxWorkers; ++workers) {
        for (const std::uint64_t capacity : {std::uint64_t{8}, std::uint64_t{64}, kMaxCapacity}) {
            const Geometry shape = minimal(workers, capacity);
            REQUIRE(Geometry::shared_offset() % layout::kPartAlignment == 0);
            REQUIRE(shape.slots_offset() % layout::kPartAlignment == 0);
            REQUIRE(Geometry::producer_bytes() <= Geometry::shared_offset());
            REQUIRE(Geometry::shared_offset() + shape.shared_bytes() <= shape.slots_offset());
            REQUIRE(shape.slots_offset() + shape.slots_bytes() == shape.object_bytes());
            REQUIRE(shape.slots_bytes() == shape.slots * shape.stride());
        }
    }
}

TEST_CASE("the size of the largest object and of the largest group is computed without overflow") {
    const Geometry largest{kMaxWorkers, Geometry::maximum_slots(kMaxWorkers), kMaxCapacity};
    REQUIRE(largest.valid());
    constexpr std::uint64_t kStride = (std::uint64_t{1} << 30U) + 64;
    CHECK(largest.stride() == kStride);
    CHECK(largest.slots_bytes() == 4096 * kStride);
    CHECK(largest.object_bytes() > largest.slots_bytes());
    const std::uint64_t group = kMaxWorkers * largest.backed_bytes(std::uint64_t{64} * 1024);
    CHECK(group / kMaxWorkers == largest.backed_bytes(std::uint64_t{64} * 1024));
    CHECK(group < static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

TEST_CASE("memory is counted in whole pages, without the gaps between the parts") {
    const Geometry shape = minimal(2, 64);
    CHECK(shape.backed_bytes(4096) == 3 * 4096);
    CHECK(shape.backed_bytes(4096) < shape.object_bytes());
    CHECK(minimal(2, 1 << 20U).backed_bytes(4096) >= 3U * (1U << 20U));
}

TEST_CASE("the sizes and offsets that other programs rely on are these") {
    CHECK(sizeof(layout::Header) == 64);
    CHECK(sizeof(layout::ProducerPart) == 256);
    CHECK(sizeof(layout::SharedPart) == 256);
    CHECK(sizeof(layout::Cell) == 64);
    CHECK(sizeof(layout::SlotHeader) == 32);
    CHECK(offsetof(layout::ProducerPart, header) == 0);
    CHECK(offsetof(layout::ProducerPart, payload) == 64);
    CHECK(offsetof(layout::ProducerPart, current) == 128);
    CHECK(offsetof(layout::ProducerPart, vitals) == 192);
    CHECK(offsetof(layout::SharedPart, doorbell) == 0);
    CHECK(offsetof(layout::SharedPart, waiting) == 64);
    CHECK(offsetof(layout::SharedPart, sleepers) == 128);
    CHECK(Geometry::shared_offset() == 65536);
    CHECK(minimal(2, 64).slots_offset() == 131072);
    CHECK(layout::kSleeperWords * 64 == kMaxWorkers);
    constexpr std::uint64_t kHash = layout::layout_hash();
    CHECK(kHash != 0);
}

TEST_CASE("the magic number begins with a byte that is no text, and names the program") {
    std::array<char, 8> bytes{};
    for (unsigned i = 0; i < 8; ++i) {
        bytes[i] = static_cast<char>(layout::kMagic >> (8 * i));
    }
    CHECK(std::string_view(bytes.data(), 8) == std::string_view("\x7fshmipc1"));
}
