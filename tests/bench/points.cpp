#include "points.hpp"

#include <shmipc/layout.hpp>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tuple>

namespace shmipc::bench {

namespace {

constexpr std::size_t kKib = 1024;
constexpr std::size_t kMib = 1024 * kKib;

/// Which peers a row is for.
enum class Who { kShmipc, kInPlace, kAll };

struct Row {
    Extent from;  ///< the smallest extent that has it
    Workload workload;
    Who who;
    std::vector<std::size_t> bytes;
    std::vector<std::uint32_t> consumers{1};
};

std::vector<Row> table() {
    using enum Workload;
    const auto taste = Extent::kTaste;
    const auto quick = Extent::kQuick;
    const auto full = Extent::kFull;
    return {
        {taste, kPublish, Who::kAll, {64}},
        {quick, kPublish, Who::kInPlace, {64 * kKib, 8 * kMib}},
        {full, kPublish, Who::kInPlace, {8, kKib, kMib}},
        {quick, kPublishCoarse, Who::kShmipc, {64}},
        {quick, kPublishPrecise, Who::kShmipc, {64}},
        {quick, kPublishFilled, Who::kAll, {64 * kKib, 8 * kMib}},
        {full, kPublishFilled, Who::kAll, {8, 64, kKib, kMib}},
        {taste, kPublishPinned, Who::kShmipc, {64}, {2}},
        {quick, kPublishPinned, Who::kAll, {64}, {7}},
        {quick, kPublishPinned, Who::kShmipc, {64}, {127}},
        {full, kPublishPinned, Who::kAll, {64}, {1, 2, 31, 127, 255}},
        {full, kPublishPinned, Who::kShmipc, {64}, {1023}},
        {full, kPublishPinnedFewest, Who::kShmipc, {64}, {1, 2, 7, 31, 127, 255}},
        {quick, kAcquireRelease, Who::kAll, {64}},
        {taste, kCycle, Who::kAll, {64}},
        {full, kCycle, Who::kAll, {8, kKib, 64 * kKib, kMib, 8 * kMib}},
        {quick, kAgain, Who::kAll, {64}},
        {quick, kNewer, Who::kAll, {64}},
        {quick, kAgainTwo, Who::kAll, {64}, {2}},
        {quick, kOneWay, Who::kAll, {64, 64 * kKib}},
        {full, kOneWay, Who::kAll, {8, kKib, kMib, 8 * kMib}},
        {quick, kRoundTrip, Who::kAll, {64}},
        {taste, kFlatOut, Who::kAll, {64, 64 * kKib}},
        {quick, kWake, Who::kAll, {64}},
    };
}

/// Peers whose producer writes a message where it is read, so that its size need not matter.
bool writes_in_place(std::string_view peer) {
    constexpr std::string_view kInPlace[] = {"shmipc", "bitmask", "seqlock", "sharable_mutex",
                                             "iceoryx"};
    return std::ranges::find(kInPlace, peer) != std::end(kInPlace);
}

bool is_for(Who who, std::string_view peer) {
    return who == Who::kAll || (who == Who::kInPlace ? writes_in_place(peer) : peer == "shmipc");
}

template <class Item, class Value>
bool chosen(const std::vector<Item>& selection, const Value& value) {
    return selection.empty() || std::ranges::find(selection, value) != selection.end();
}

Setting setting_of(Workload workload, std::size_t bytes, std::uint32_t consumers) {
    Setting setting{.bytes = bytes, .consumers = consumers};
    if (workload == Workload::kPublishCoarse) {
        setting.stamp = TimeSource::kCoarse;
    } else if (workload == Workload::kPublishPrecise) {
        setting.stamp = TimeSource::kPrecise;
    }
    setting.fewest_slots = workload == Workload::kPublishPinnedFewest;
    return setting;
}

}  // namespace

std::vector<PeerEntry> all_peers() {
    return {shmipc_entry(),        bitmask_entry(),        seqlock_entry(),
            message_queue_entry(), sharable_mutex_entry(), socket_entry(),
            pipe_entry(),          iceoryx_entry(),        zeromq_entry()};
}

std::vector<Point> select_points(const std::vector<PeerEntry>& peers, const Selection& selection) {
    std::vector<Point> points;
    // Two rows may have a point in common.
    const auto there = [&](Workload workload, std::size_t peer, std::size_t bytes,
                           std::uint32_t consumers) {
        return std::ranges::any_of(points, [&](const Point& point) {
            return point.workload == workload && point.peer == peer &&
                   point.setting.bytes == bytes && point.setting.consumers == consumers;
        });
    };
    const auto add_row = [&](const Row& row, std::size_t bytes, std::uint32_t consumers) {
        for (std::size_t peer = 0; peer < peers.size(); ++peer) {
            if (is_for(row.who, peers[peer].name) && chosen(selection.peers, peers[peer].name) &&
                !there(row.workload, peer, bytes, consumers)) {
                points.push_back({row.workload, peer, setting_of(row.workload, bytes, consumers)});
            }
        }
    };
    for (const Row& row : table()) {
        if (row.from > selection.extent || !chosen(selection.workloads, name_of(row.workload))) {
            continue;
        }
        for (const std::size_t bytes : row.bytes) {
            for (const std::uint32_t consumers : row.consumers) {
                if (chosen(selection.bytes, bytes) && chosen(selection.consumers, consumers)) {
                    add_row(row, bytes, consumers);
                }
            }
        }
    }
    std::ranges::stable_sort(points, [](const Point& left, const Point& right) {
        return std::tuple(left.workload, left.setting.bytes, left.setting.consumers) <
               std::tuple(right.workload, right.setting.bytes, right.setting.consumers);
    });
    return points;
}

std::uint64_t memory_needed(const Point& point) {
    constexpr std::uint64_t kHeader = 128;
    constexpr std::uint64_t kQueue = 8;
    constexpr std::uint64_t kProcess = 2 * kMib;
    const Setting& setting = point.setting;
    const std::uint64_t members = setting.consumers + 1;
    // The producer's channel alone is written to: memory that nobody writes to takes no room.
    const std::uint64_t slots = std::max<std::uint64_t>(
        layout::Geometry::default_slots(setting.consumers + 1, setting.bytes),
        kQueue * setting.consumers);
    return slots * (setting.bytes + kHeader) + members * (kProcess + 2 * setting.bytes);
}

}  // namespace shmipc::bench
