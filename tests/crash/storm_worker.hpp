// A worker of a storm: publishes and reads flat out, checks all that it reads, and expects to be
// killed at any instant.
#pragma once

#include "arena.hpp"
#include "storm_record.hpp"
#include <shmipc/ids.hpp>

#include <cstdint>

namespace shmipc::crash {

/// Attaches, writes a byte to `running`, and works until SIGTERM; then leaves in order. To be
/// called in a process of its own. Returns its exit status.
int storm_worker(const Arena& arena, WorkerIndex index, Records& records, int running,
                 std::uint64_t seed);

}  // namespace shmipc::crash
