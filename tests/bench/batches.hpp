// Times an operation by the batch: the clock is read twice for some thousand operations, so that it
// does not stand in the result.
#pragma once

#include "clock.hpp"
#include "keep.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace shmipc::bench {

inline constexpr std::uint64_t kLongestBatch = 10'000;
/// Calls before anything is timed: every slot has its memory then.
inline constexpr std::uint64_t kFirstTouch = 8;
inline constexpr std::size_t kFewestBatches = 5;

/// Flattened: what is inlined in a small program is not in this one, which has every loop for every
/// peer in one source, and the compiler's budget for inlining is that of the source.
template <class Operation>
[[gnu::flatten]] std::uint64_t time_batch(std::uint64_t count, Operation&& operation) {
    const std::uint64_t begin = ticks_before();
    for (std::uint64_t i = 0; i < count; ++i) {
        operation();
        compiler_barrier();
    }
    return ticks_after() - begin;
}

/// Calls `operation` for about as long as `budget`. Nanoseconds of one call, one value a batch.
template <class Operation>
std::vector<double> time_batches(std::chrono::nanoseconds budget, Operation&& operation) {
    // A batch takes no longer than a small part of the budget, since a batch that is interrupted
    // says nothing. Finding its length warms the caches too.
    const std::uint64_t longest = ticks_of(budget) / 40;
    time_batch(kFirstTouch, operation);
    std::uint64_t count = 1;
    std::uint64_t took = time_batch(count, operation);
    while (count < kLongestBatch && took * 2 < longest) {
        count = std::min(count * 2, kLongestBatch);
        took = time_batch(count, operation);
    }
    std::vector<double> result;
    const std::uint64_t end = ticks_before() + ticks_of(budget);
    while (result.size() < kFewestBatches || ticks_before() < end) {
        result.push_back(static_cast<double>(time_batch(count, operation)) * tick_ns() /
                         static_cast<double>(count));
    }
    return result;
}

}  // namespace shmipc::bench
