// The peers that this build has.
#pragma once

#include "../context.hpp"
#include "../workload.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace shmipc::bench {

/// A peer with its type erased: the loops are inside.
struct PeerEntry {
    std::string_view name;
    /// One repeat of one point. Throws Interrupted, and what goes wrong in this process.
    std::function<Measured(Workload, Context&, const Setting&)> run;
    /// Empty; or why this build has no more than the name.
    std::string missing;
};

PeerEntry shmipc_entry();
PeerEntry bitmask_entry();
PeerEntry seqlock_entry();
PeerEntry message_queue_entry();
PeerEntry sharable_mutex_entry();
PeerEntry socket_entry();
PeerEntry pipe_entry();
PeerEntry iceoryx_entry();
PeerEntry zeromq_entry();

/// Wakes by a futex and nothing else: the bound for waking a consumer.
PeerEntry bare_futex_entry();

}  // namespace shmipc::bench
