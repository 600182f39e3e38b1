// The points at which the growth is measured: a number of workers, and the size of their messages.
#pragma once

#include <shmipc/group.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::bench {

/// More shared memory than this is not asked of any machine.
inline constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 30U;

struct Point {
    std::uint64_t bytes = 0;  ///< of a message
    std::uint32_t workers = 0;

    [[nodiscard]] GroupConfig config(const std::string& group) const {
        return {.name = group, .workers = workers, .capacity = bytes, .slots = 0};
    }
    /// Shared memory that the group takes.
    [[nodiscard]] std::uint64_t shared_bytes() const;
};

std::vector<Point> points(bool quick);
/// Sizes of the groups that are looked at for what their supervisor does at rest.
std::vector<std::uint32_t> resting_groups(bool quick);

}  // namespace shmipc::bench
