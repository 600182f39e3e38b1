// The table of what is measured: a stated list of points, not a cross product of all.
#pragma once

#include "context.hpp"
#include "peers/entries.hpp"
#include "workload.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::bench {

/// How much is measured: --taste, --quick, or all.
enum class Extent { kTaste, kQuick, kFull };

struct Point {
    Workload workload = Workload::kPublish;
    std::size_t peer = 0;  ///< index in the list of peers
    Setting setting;
};

/// All peers, also those that this build does not have. The first is shmipc.
std::vector<PeerEntry> all_peers();

/// What of the table is wanted. Empty lists stand for everything.
struct Selection {
    Extent extent = Extent::kFull;
    std::vector<std::string> workloads;
    std::vector<std::string> peers;
    std::vector<std::size_t> bytes;
    std::vector<std::uint32_t> consumers;
};

/// Ordered by workload, size and number of consumers, then peer.
std::vector<Point> select_points(const std::vector<PeerEntry>& peers, const Selection& selection);

/// No point may need more.
inline constexpr std::uint64_t kMostMemory = std::uint64_t{4} << 30U;

/// Bytes that a point may take at the most, over all processes, whichever peer it is: every peer
/// has fewer copies of a message than shmipc has slots, or queues of at most 8 messages.
std::uint64_t memory_needed(const Point& point);

}  // namespace shmipc::bench
