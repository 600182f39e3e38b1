// What a group is made of: its name, and the size of everything in it.
#pragma once

#include <shmipc/layout.hpp>

#include <cstdint>
#include <string>

namespace shmipc {

/// What a group is made of; all of its programs say the same.
struct GroupConfig {
    std::string name;             ///< [A-Za-z0-9_-]{1,64}
    std::uint32_t workers = 0;    ///< N: 2 … 1024
    std::uint64_t capacity = 64;  ///< bytes of the longest message: 8 … 2^30
    /// Slots of each channel: N + 1, the fewest that can do, to the greater of 4 N and 64. More
    /// make the producer's scans rarer. 0: as many as fit the message's length, see
    /// layout::Geometry::default_slots().
    std::uint32_t slots = 0;

    [[nodiscard]] layout::Geometry geometry() const noexcept {
        return {workers, slots == 0 ? layout::Geometry::default_slots(workers, capacity) : slots,
                capacity};
    }
    /// Throws kInvalidGroupName or kInvalidGeometry with the range that was left.
    void check() const;
};

}  // namespace shmipc
