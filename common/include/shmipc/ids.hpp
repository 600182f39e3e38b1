// The numbers and names that identify things, as types that cannot be mixed up, and their limits.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace shmipc {

/// Number of a worker in its group: 0 … workers − 1. Worker i is the producer of channel i.
enum class WorkerIndex : std::uint32_t {};

/// Number of a slot in a channel: 0 … slots − 1.
enum class SlotIndex : std::uint32_t {};

/// Number of a consumer's cell in a channel: 0 … workers − 2. See cell_of().
enum class CellIndex : std::uint32_t {};

constexpr std::uint32_t to_number(WorkerIndex index) noexcept {
    return static_cast<std::uint32_t>(index);
}
constexpr std::uint32_t to_number(SlotIndex slot) noexcept {
    return static_cast<std::uint32_t>(slot);
}
constexpr std::uint32_t to_number(CellIndex cell) noexcept {
    return static_cast<std::uint32_t>(cell);
}

/// The cell of worker `consumer` in the channel of worker `producer`; the two differ. Cells are
/// numbered over the consumers alone: the producer has none in its own channel.
constexpr CellIndex cell_of(WorkerIndex consumer, WorkerIndex producer) noexcept {
    return CellIndex{to_number(consumer) - (consumer > producer ? 1U : 0U)};
}

/// The worker whose cell this is: the inverse of cell_of().
constexpr WorkerIndex consumer_of(CellIndex cell, WorkerIndex producer) noexcept {
    return WorkerIndex{to_number(cell) + (to_number(cell) >= to_number(producer) ? 1U : 0U)};
}

inline constexpr std::uint32_t kMinWorkers = 2;
inline constexpr std::uint32_t kMaxWorkers = 1024;
/// Capacity: the longest message of a channel, in bytes.
inline constexpr std::uint64_t kMinCapacity = 8;
inline constexpr std::uint64_t kMaxCapacity = std::uint64_t{1} << 30U;
inline constexpr std::size_t kMaxGroupName = 64;

/// Group names are [A-Za-z0-9_-]{1,64}: they are part of file names, and matched whole.
constexpr bool is_group_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > kMaxGroupName) {
        return false;
    }
    for (const char c : name) {
        const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!allowed) {
            return false;
        }
    }
    return true;
}

/// Name of the object of worker `index`, as shm_open(3) takes it, without the slash. Where another
/// user has put something there, the object is called that and "." and 16 hexadecimal digits.
std::string object_name(const std::string& group, WorkerIndex index);

}  // namespace shmipc
