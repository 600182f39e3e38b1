// What the workers of a storm record of themselves, in memory that outlives them: whatever they
// have published or seen before they were killed binds their successors.
#pragma once

#include "histogram.hpp"
#include <shmipc/layout.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace shmipc::crash {

/// The most workers that a storm may have.
inline constexpr std::uint32_t kStormWorkers = 16;

using Count = std::atomic<std::uint64_t>;

/// How long calls took that a worker was not killed in.
struct Durations {
    Histogram publish;  ///< loan() and Loan::publish(), without filling it
    Histogram acquire;
};

/// Of one worker, over all its lives; it alone writes.
struct alignas(layout::kCacheLine) Record {
    /// Set before a publish, and after its return: the channel's latest message is between them.
    Count publishing;
    Count published;
    /// By channel: the highest sequence, and its incarnation, that was ever acquired.
    std::array<Count, kStormWorkers> seen;
    std::array<Count, kStormWorkers> seen_incarnation;

    // Sums, modulo what a death between doing and counting loses.
    Count messages_read;
    Count waits;      ///< that really slept
    Count reclaimed;  ///< pins of dead predecessors
    Count inherited;  ///< of these, messages that were read once more

    // What must not happen.
    Count torn;
    Count reversed;
    Count lost;
    Count refused;  ///< a call that must succeed did not
    Count overslept;
    Count leaked_pins;  ///< of a predecessor, after attaching

    Durations quiet;  ///< before the first kill
    Durations storm;
};

/// The records of all workers. Written with relaxed order but `publishing`, `published`: whoever
/// acquires `published` must find at least that message.
struct Records {
    std::array<Record, kStormWorkers> of;
    std::atomic<bool> storming;  ///< set with the first kill
};

struct Unmap {
    void operator()(Records* records) const noexcept;
};
using SharedRecords = std::unique_ptr<Records, Unmap>;

/// In memory that is shared with children.
SharedRecords make_records();

}  // namespace shmipc::crash
