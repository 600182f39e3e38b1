#include "shmipc_peer.hpp"

#include "ends_peer.hpp"
#include "entries.hpp"
#include "entry.hpp"

namespace shmipc::bench {

GroupConfig group_for(const PlaceConfig& config) {
    GroupConfig group{.name = config.name,
                      .workers = config.setting.consumers + 1,
                      .capacity = config.setting.bytes};
    if (config.setting.fewest_slots) {
        group.slots = layout::Geometry::minimum_slots(group.workers);
    }
    return group;
}

ShmipcPlace::ShmipcPlace(const PlaceConfig& config)
    : config_(group_for(config)), stamp_(config.setting.stamp) {
    Group::create_or_open(config_);
}

ShmipcPlace::~ShmipcPlace() {
    // All members have ended and are reaped, so none is in the way.
    std::error_code error;
    Group::remove(config_.name, error);
    if (error) {
        std::fprintf(stderr, "shmipc-bench: cannot remove group %s: %s\n", config_.name.c_str(),
                     error.message().c_str());
    }
}

Worker ShmipcPlace::attach(std::uint32_t index) const {
    AttachOptions options;
    options.time_source = stamp_;
    return Worker::attach(config_, WorkerIndex{index}, options);
}

PeerEntry shmipc_entry() {
    PeerEntry entry = make_entry<ShmipcPeer>();
    entry.run = [every = entry.run, ends = make_entry<EndsPeer>().run](
                    Workload workload, Context& context, const Setting& setting) {
        const bool one_thread =
            workload == Workload::kCycle || workload == Workload::kAcquireRelease;
        return (one_thread ? ends : every)(workload, context, setting);
    };
    return entry;
}

}  // namespace shmipc::bench
