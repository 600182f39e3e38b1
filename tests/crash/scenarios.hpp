// The rounds of the kill test, by who dies.
#pragma once

#include "table.hpp"

#include <cstdint>

namespace shmipc::crash {

/// How many places of a pair are played.
enum class Extent : std::uint8_t {
    kQuick,  ///< with more than two workers, of the side that does not die, the first and the last
             ///< occurrence of each step
    kFull
};

/// A producer dies while it publishes, wakes, helps, or recovers.
void producer_deaths(Table& table, std::uint32_t workers, Extent extent);
/// A consumer dies while it acquires, releases, waits, or recovers.
void consumer_deaths(Table& table, std::uint32_t workers, Extent extent);
/// One of the two dies while the other is stopped half-way, at every step of both.
void pair_deaths(Table& table, std::uint32_t workers, Extent extent);

}  // namespace shmipc::crash
