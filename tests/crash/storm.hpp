// Storm: a group of workers under full load, killed at random instants and restarted, and the sum
// of what that has harmed.
#pragma once

#include <cstdint>

namespace shmipc::crash {

struct StormOptions {
    std::uint64_t kills = 5000;
    std::uint32_t workers = 4;
    std::uint64_t size = 256;  ///< bytes of the longest message; the others are of any length below
    std::uint64_t seed = 1;
};

struct StormSum {
    std::uint64_t kills = 0;
    std::uint64_t while_attaching = 0;  ///< of the kills
    std::uint64_t published = 0;
    std::uint64_t read = 0;
    std::uint64_t waits = 0;
    std::uint64_t reclaimed = 0;  ///< pins of dead workers
    std::uint64_t inherited = 0;  ///< of these, messages read once more

    // Harm.
    std::uint64_t torn = 0;
    std::uint64_t reversed = 0;
    std::uint64_t lost = 0;
    std::uint64_t refused = 0;    ///< calls that must succeed, and did not
    std::uint64_t overslept = 0;  ///< sleepers that were not woken
    std::uint64_t crashed = 0;    ///< workers that ended by themselves
    std::uint64_t leaked_pins = 0;
    std::uint64_t leaked_objects = 0;
    std::uint64_t leaked_descriptors = 0;
    std::uint64_t leaked_processes = 0;

    [[nodiscard]] std::uint64_t harm() const noexcept {
        return torn + reversed + lost + refused + overslept + crashed + leaked_pins +
               leaked_objects + leaked_descriptors + leaked_processes;
    }
};

/// Runs a storm. SIGINT and SIGTERM end it early, in order. Throws on what is not the library's
/// fault, and Failure where a worker hangs.
StormSum storm(const StormOptions& options);

}  // namespace shmipc::crash
