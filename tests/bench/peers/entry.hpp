// Makes the entry of a peer: instantiates all workloads for it, and picks one at run time.
#pragma once

#include "../workloads_flat_out.hpp"
#include "../workloads_many.hpp"
#include "../workloads_pair.hpp"
#include "../workloads_single.hpp"
#include "../workloads_wake.hpp"
#include "entries.hpp"

#include <cstddef>

namespace shmipc::bench {

template <class Peer>
Measured run_workload(Workload workload, Context& context, const Setting& setting) {
    const std::string name(name_of(workload));
    switch (workload) {
        case Workload::kPublish:
        case Workload::kPublishCoarse:
        case Workload::kPublishPrecise:
            return publish<Peer>(context, setting, name);
        case Workload::kPublishFilled:
            return publish_filled<Peer>(context, setting, name);
        case Workload::kPublishPinned:
        case Workload::kPublishPinnedFewest:
            return publish_pinned<Peer>(context, setting, name);
        case Workload::kAcquireRelease:
            return acquire_release<Peer>(context, setting, name);
        case Workload::kCycle:
            return cycle<Peer>(context, setting, name);
        case Workload::kAgain:
            return again<Peer>(context, setting, name);
        case Workload::kNewer:
            return newer<Peer>(context, setting, name);
        case Workload::kAgainTwo:
            return again_two<Peer>(context, setting, name);
        case Workload::kOneWay:
            return one_way<Peer>(context, setting, name);
        case Workload::kRoundTrip:
            return round_trip<Peer>(context, setting, name);
        case Workload::kFlatOut:
            return flat_out<Peer>(context, setting, name);
        case Workload::kWake:
            return wake<Peer>(context, setting, name);
    }
    return impossible("no such workload");
}

template <template <std::size_t> class Peer>
PeerEntry make_entry() {
    return {Peer<0>::kName,
            [](Workload workload, Context& context, const Setting& setting) {
                switch (setting.bytes) {
                    case 8:
                        return run_workload<Peer<8>>(workload, context, setting);
                    case 64:
                        return run_workload<Peer<64>>(workload, context, setting);
                    default:
                        return run_workload<Peer<0>>(workload, context, setting);
                }
            },
            {}};
}

}  // namespace shmipc::bench
