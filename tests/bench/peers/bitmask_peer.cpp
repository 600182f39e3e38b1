#include "bitmask_peer.hpp"

#include "entries.hpp"
#include "entry.hpp"

namespace shmipc::bench {

PeerEntry bitmask_entry() {
    return make_entry<BitmaskPeer>();
}

}  // namespace shmipc::bench
