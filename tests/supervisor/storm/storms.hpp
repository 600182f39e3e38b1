// The storms; each prints what it did, and returns whether all was as it must be.
#pragma once

#include <cstdint>

namespace shmipc::test {

/// Kills all workers in one instant, `rounds` times, and waits each time until all are back; then
/// makes `connections` to the control socket. Every death must be seen once, and the supervisor
/// must not have grown by a descriptor, nor by more than `most_kib` KiB of memory.
bool storm_of_kills(std::uint32_t workers, std::uint32_t rounds, std::uint32_t connections,
                    std::uint64_t most_kib);

/// Kills the supervisor with SIGKILL `rounds` times while its workers exchange messages as fast as
/// they can: no orphan and no zombie must be left, no message lost, and the next supervisor must
/// take up the same objects.
bool storm_of_supervisors(std::uint32_t workers, std::uint32_t rounds);

}  // namespace shmipc::test
