// What is measured, as plain numbers; the tables and the JSON are made of these.
#pragma once

#include "point.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::bench {

using Clock = std::chrono::steady_clock;

/// The smallest value that a share of `quantile` (0 to 1) does not exceed; 0 of none.
inline double quantile(std::vector<double> values, double quantile) {
    if (values.empty()) {
        return 0;
    }
    std::sort(values.begin(), values.end());
    const auto rank =
        static_cast<std::size_t>(std::ceil(static_cast<double>(values.size()) * quantile));
    return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}
inline double median(std::vector<double> values) {
    return quantile(std::move(values), 0.5);
}

template <class Unit>
double count(Clock::duration duration) {
    return std::chrono::duration<double, typename Unit::period>(duration).count();
}
inline double milliseconds_since(Clock::time_point start) {
    return count<std::chrono::milliseconds>(Clock::now() - start);
}

/// Measured in one process, without a supervisor.
struct InProcess {
    double create_ms = 0;
    double attach_ms = 0;   ///< of one worker, when all objects are there
    double publish_ns = 0;  ///< a copied message of full size
    double acquire_ns = 0;  ///< acquire and release of a message that is new
};

/// Measured with a supervisor and stock workers, which rest.
struct Supervised {
    double start_ms = 0;  ///< from fork to all ready
    double stop_ms = 0;   ///< from SIGTERM to the supervisor's exit, the objects removed
    double respawn_p50_ms = 0;
    double respawn_p99_ms = 0;
    std::size_t respawns = 0;
    std::uint64_t supervisor_rss_kib = 0;
    std::uint64_t worker_rss_kib = 0;
    std::uint64_t worker_pss_kib = 0;
    std::uint64_t worker_tables_kib = 0;  ///< page tables, which RSS does not count
    double pass_us = 0;       ///< CPU time of the supervisor for a pass over all workers
    double start_cpu_ms = 0;  ///< CPU time of all workers until all are ready
};

struct ScaleRow {
    Point point;
    InProcess in_process;
    Supervised supervised;
    std::string skipped;  ///< why there are no figures, or only those of one process; else empty
};

/// A supervisor whose workers rest.
struct RestRow {
    std::uint32_t workers = 0;
    std::uint64_t rss_kib = 0;
    double wakeups_per_second = 0;
    double cpu_ms_per_second = 0;
    double workers_cpu_ms_per_second = 0;  ///< of all of them together
};

struct LogRow {
    std::string how;
    double ns_per_exchange = 0;
    std::uint64_t lines = 0;
    std::uint64_t dropped = 0;
};

struct Report {
    std::vector<ScaleRow> scale;
    std::vector<RestRow> at_rest;
    std::vector<LogRow> log_path;
};

}  // namespace shmipc::bench
