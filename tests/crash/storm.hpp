// Storm: a group of workers under full load, killed at random instants and restarted, and the sum
// of what that has harmed.
#pragma once

#include <chrono>
#include <cstdint>

namespace shmipc::crash {

struct StormOptions {
    std::uint64_t kills = 5000;
    std::uint32_t workers = 8;
    std::uint64_t size = 65536;  ///< bytes of the longest message; others have any length below
    std::uint64_t seed = 1;
    std::chrono::seconds quiet{2};  ///< under load before the first kill, to compare with
};

/// The 99.9th percentiles of what calls took.
struct Tails {
    std::chrono::nanoseconds publish{0};  ///< a loan taken and published, without filling it
    std::chrono::nanoseconds acquire{0};
};

struct StormSum {
    std::uint64_t kills = 0;
    std::uint64_t stops = 0;            ///< SIGSTOPs, each continued or killed later
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

    Tails quiet;
    Tails storm;

    [[nodiscard]] std::uint64_t harm() const noexcept {
        return torn + reversed + lost + refused + overslept + crashed + leaked_pins +
               leaked_objects + leaked_descriptors + leaked_processes;
    }
};

/// Runs a storm. SIGINT and SIGTERM end it early, in order. Throws on what is not the library's
/// fault, and Failure where a worker hangs.
StormSum storm(const StormOptions& options);

}  // namespace shmipc::crash
