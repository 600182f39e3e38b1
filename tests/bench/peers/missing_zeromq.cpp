// In place of zeromq_peer.cpp where CMake has not found ZeroMQ.
#include "entries.hpp"

namespace shmipc::bench {

PeerEntry zeromq_entry() {
    return {"zeromq", nullptr, "not in this build: needs Debian's libzmq3-dev"};
}

}  // namespace shmipc::bench
