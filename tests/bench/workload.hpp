// The names of the workloads.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace shmipc::bench {

enum class Workload {
    kPublish,
    kPublishCoarse,
    kPublishPrecise,
    kPublishFilled,
    kPublishPinned,
    kPublishPinnedFewest,
    kAcquireRelease,
    kCycle,
    kAgain,
    kNewer,
    kAgainTwo,
    kOneWay,
    kRoundTrip,
    kFlatOut,
    kWake,
};

struct WorkloadText {
    Workload workload;
    std::string_view name;
    std::string_view meaning;
};

/// In the order of Workload.
inline constexpr std::array kWorkloads{
    WorkloadText{Workload::kPublish, "publish",
                 "one thread publishes; first, middle and last word written"},
    WorkloadText{Workload::kPublishCoarse, "publish_coarse", "the same with a coarse time stamp"},
    WorkloadText{Workload::kPublishPrecise, "publish_precise", "the same with a precise one"},
    WorkloadText{Workload::kPublishFilled, "publish_filled", "the same, every byte written"},
    WorkloadText{Workload::kPublishPinned, "publish_pinned",
                 "publish while each consumer, a process, holds another old message"},
    WorkloadText{Workload::kPublishPinnedFewest, "publish_pinned_fewest",
                 "the same, with as few slots as can do"},
    WorkloadText{Workload::kAcquireRelease, "acquire_release",
                 "[publish, acquire, release] - [publish] of one thread"},
    WorkloadText{Workload::kCycle, "cycle", "publish, acquire, release of one thread"},
    WorkloadText{Workload::kAgain, "again", "acquire and release the same message again"},
    WorkloadText{Workload::kNewer, "newer", "ask whether there is anything newer; there is not"},
    WorkloadText{Workload::kAgainTwo, "again_two",
                 "two processes acquire and release the same message; the slower one"},
    WorkloadText{Workload::kOneWay, "one_way",
                 "from before the message is written until it is read, polling, two processes"},
    WorkloadText{Workload::kRoundTrip, "round_trip", "there and back over two channels, polling"},
    WorkloadText{Workload::kFlatOut, "flat_out",
                 "producer and consumer as fast as they can; all that is seen is checked"},
    WorkloadText{Workload::kWake, "wake",
                 "from before publishing until the consumer, which slept, has it"},
};

constexpr std::string_view name_of(Workload workload) noexcept {
    return kWorkloads[static_cast<std::size_t>(workload)].name;
}

}  // namespace shmipc::bench
