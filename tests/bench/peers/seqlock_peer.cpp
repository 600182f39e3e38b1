#include "seqlock_peer.hpp"

#include "entries.hpp"
#include "entry.hpp"

namespace shmipc::bench {

PeerEntry seqlock_entry() {
    return make_entry<SeqlockPeer>();
}

}  // namespace shmipc::bench
