#include "tables.hpp"

#include <cstdio>

namespace shmipc::bench {
namespace {

unsigned long long wide(std::uint64_t value) {
    return value;
}

}  // namespace

void print_scale_head() {
    std::printf(
        "Scale: shared memory of the group; in one process: birth of the group, attach of one "
        "worker, publish\nand acquire with release; with a supervisor: start to ready and its CPU "
        "time, kill to ready, stop to exit,\nmemory, and the supervisor's CPU time for a pass over "
        "all workers\n\n"
        "%5s %7s %8s %8s %8s %8s %8s %9s %9s %9s %9s %8s %8s %8s %8s %8s %7s\n"
        "%5s %7s %8s %8s %8s %8s %8s %9s %9s %9s %9s %8s %8s %8s %8s %8s %7s\n",
        "bytes", "workers", "shared", "create", "attach", "publish", "acquire", "start",
        "start cpu", "respawn50", "respawn99", "stop", "supervis", "worker", "worker", "worker",
        "pass", "", "", "MiB", "ms", "ms", "ns", "ns", "ms", "ms", "ms", "ms", "ms", "rss KiB",
        "rss KiB", "pss KiB", "ptes KiB", "us");
    std::fflush(stdout);
}

void print(const ScaleRow& row) {
    const Supervised& group = row.supervised;
    std::printf("%5llu %7u %8.2f ", wide(row.point.bytes), row.point.workers,
                static_cast<double>(row.point.shared_bytes()) / (1024.0 * 1024.0));
    if (row.in_process.create_ms > 0) {
        std::printf("%8.2f %8.2f %8.1f %8.1f ", row.in_process.create_ms, row.in_process.attach_ms,
                    row.in_process.publish_ns, row.in_process.acquire_ns);
    }
    if (group.start_ms > 0) {
        std::printf("%9.1f %9.1f %9.2f %9.2f %8.1f %8llu %8llu %8llu %8llu %7.0f", group.start_ms,
                    group.start_cpu_ms, group.respawn_p50_ms, group.respawn_p99_ms, group.stop_ms,
                    wide(group.supervisor_rss_kib), wide(group.worker_rss_kib),
                    wide(group.worker_pss_kib), wide(group.worker_tables_kib), group.pass_us);
    }
    std::printf("%s\n", row.skipped.c_str());
    std::fflush(stdout);
}

void print(const std::vector<RestRow>& rows) {
    std::printf("\nSupervisor at rest\n\n%7s %9s %10s %12s %14s\n%7s %9s %10s %12s %14s\n",
                "workers", "rss", "wake-ups", "its cpu", "workers' cpu", "", "KiB", "1/s", "ms/s",
                "ms/s, of all");
    for (const RestRow& row : rows) {
        std::printf("%7u %9llu %10.1f %12.3f %14.3f\n", row.workers, wide(row.rss_kib),
                    row.wakeups_per_second, row.cpu_ms_per_second, row.workers_cpu_ms_per_second);
    }
}

void print(const std::vector<LogRow>& rows) {
    std::printf(
        "\nLog path: publish and acquire of 64 bytes, each logged as the stock worker does\n\n"
        "%-28s %12s %10s %10s\n",
        "how", "ns/exchange", "lines", "dropped");
    for (const LogRow& row : rows) {
        std::printf("%-28s %12.1f %10llu %10llu\n", row.how.c_str(), row.ns_per_exchange,
                    wide(row.lines), wide(row.dropped));
    }
    std::fflush(stdout);
}

}  // namespace shmipc::bench
