// Reports for tests of the metrics that need no supervisor.
#pragma once

#include "keeper/report.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace shmipc::supervisor::test {

/// A group with one worker in each state there is; all that can be told is told of every second
/// one.
inline GroupReport report_of_all_states() {
    using namespace std::chrono_literals;
    GroupReport group;
    group.name = "made-up";
    group.pid = 4711;
    group.phase = Phase::kRunning;
    group.uptime = 90'061s;
    group.now = 100'000s;
    group.config_file = "/etc/shmipc/shmipc.toml";
    group.reloads = 3;
    group.failed_reloads = 1;
    for (std::size_t i = 0; i < kStates; ++i) {
        const auto number = static_cast<std::uint32_t>(i);
        WorkerReport worker;
        worker.index = WorkerIndex{number};
        worker.state = static_cast<State>(i);
        if (i % 2 == 0) {
            worker.pid = 5000 + static_cast<pid_t>(i);
            worker.uptime = 1500ms * number;
            worker.backoff_left = 250ms;
            worker.message_age = 1ns;
            worker.heartbeat_age = 20ms;
        }
        worker.incarnation = number + 1;
        worker.restarts = number;
        worker.deaths = {.exited = 1,
                         .killed = 2,
                         .dumped = 3,
                         .out_of_memory = 4,
                         .not_started = 5,
                         .unknown = 6};
        worker.hangs = 7;
        worker.last_exit = "killed by signal 9 (KILL)";
        worker.written = 1'000'000'007;
        worker.read = 2'000'000'014;
        worker.pins_held = 2;
        group.workers.push_back(worker);
    }
    return group;
}

}  // namespace shmipc::supervisor::test
