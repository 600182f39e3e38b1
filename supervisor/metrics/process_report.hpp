// What this process uses of the system, for the metrics that Prometheus expects of every program.
//
// Asks the kernel: /proc/self and /proc/stat, which never block.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace shmipc::supervisor {

/// Each by itself, missing where the system does not tell.
struct ProcessReport {
    std::optional<std::uint64_t> open_files;
    std::optional<std::uint64_t> most_open_files;  ///< missing also if there is no limit
    std::optional<std::uint64_t> resident_bytes;
    std::optional<std::chrono::nanoseconds> cpu_time;    ///< user and system
    std::optional<std::chrono::nanoseconds> start_time;  ///< since 1970, CLOCK_REALTIME
};

/// Of the calling process, now.
ProcessReport process_report();

}  // namespace shmipc::supervisor
