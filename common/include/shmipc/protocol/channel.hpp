// Not for users: what inlined code of the public headers needs.
//
// Where the words of one channel lie, for the algorithms in this directory. They may lie in shared
// memory or in any other memory that is laid out as layout.hpp says.
#pragma once

#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>

#include <cstddef>
#include <cstdint>

namespace shmipc::protocol {

/// Borrowed addresses; whoever makes a Channel keeps the memory mapped. `producer_part` and `slots`
/// may be mapped read-only where only ConsumerEnd, SleeperEnd or ObserverEnd use the channel.
struct Channel {
    layout::ProducerPart* producer_part = nullptr;
    layout::SharedPart* shared_part = nullptr;
    layout::Cell* cells = nullptr;  ///< geometry.consumers() of them
    std::byte* slots = nullptr;
    layout::Geometry geometry;
    std::uint64_t stride = 0;          ///< geometry.stride(), computed once
    std::uint64_t payload_offset = 0;  ///< geometry.payload_offset(), computed once

    Channel() = default;
    Channel(const layout::Geometry& shape, std::byte* producer_base, std::byte* shared_base,
            std::byte* slots_base) noexcept
        : producer_part(reinterpret_cast<layout::ProducerPart*>(producer_base)),
          shared_part(reinterpret_cast<layout::SharedPart*>(shared_base)),
          cells(reinterpret_cast<layout::Cell*>(shared_base + sizeof(layout::SharedPart))),
          slots(slots_base),
          geometry(shape),
          stride(shape.stride()),
          payload_offset(shape.payload_offset()) {}

    [[nodiscard]] layout::SharedU64& current() const noexcept { return producer_part->current; }
    [[nodiscard]] layout::SharedU32& cell(CellIndex index) const noexcept {
        return cells[to_number(index)].word;
    }
    [[nodiscard]] layout::SlotHeader& header(SlotIndex slot) const noexcept {
        return *reinterpret_cast<layout::SlotHeader*>(slots + to_number(slot) * stride);
    }
    [[nodiscard]] std::byte* payload(SlotIndex slot) const noexcept {
        return slots + to_number(slot) * stride + payload_offset;
    }
    [[nodiscard]] std::byte* payload(layout::SlotHeader& header) const noexcept {
        return reinterpret_cast<std::byte*>(&header) + payload_offset;
    }
    /// False also for the slot of an empty Current.
    [[nodiscard]] bool has(SlotIndex slot) const noexcept {
        return to_number(slot) < geometry.slots;
    }
};

}  // namespace shmipc::protocol
