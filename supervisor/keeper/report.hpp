// What the supervisor knows of its group, gathered for those who ask: the control socket, metrics.
//
// Plain data, copied out in one moment. What stems from shared memory may be anything if a worker
// is hostile: it is shown, and nothing is decided by it.
#pragma once

#include "worker_state.hpp"
#include <shmipc/ids.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

/// How the deaths of a worker since the supervisor's start divide.
struct DeathTally {
    std::uint64_t exited = 0;         ///< exited by itself, with whatever status
    std::uint64_t killed = 0;         ///< ended by a signal, the two below not counted
    std::uint64_t dumped = 0;         ///< ended by a signal, core dumped
    std::uint64_t out_of_memory = 0;  ///< killed by the kernel's OOM killer
    std::uint64_t not_started = 0;    ///< the system refused the fork, or the program the exec
    std::uint64_t unknown = 0;        ///< somebody else took the exit status

    [[nodiscard]] std::uint64_t sum() const noexcept {
        return exited + killed + dumped + out_of_memory + not_started + unknown;
    }
};

struct WorkerReport {
    WorkerIndex index{0};
    State state = State::kStopped;
    std::optional<pid_t> pid;
    std::optional<std::chrono::nanoseconds> uptime;        ///< of the process, since its launch
    std::optional<std::chrono::nanoseconds> backoff_left;  ///< until it is started again
    std::uint32_t incarnation = 0;                         ///< 0: it has never attached
    // Since the supervisor's start. What somebody ordered is neither a death nor a restart.
    std::uint64_t restarts = 0;  ///< after deaths
    DeathTally deaths;
    std::uint64_t ordered_restarts = 0;  ///< launches by order, after the first
    std::uint64_t ordered_ends = 0;      ///< by stop, restart, roll-out
    std::uint64_t hangs = 0;             ///< times it was aborted because it hung
    std::string last_exit;      ///< "killed by signal 9 (KILL)"; empty: it has not ended yet
    std::uint64_t written = 0;  ///< messages published over all incarnations
    std::uint64_t read = 0;     ///< new messages acquired over all incarnations
    std::optional<std::chrono::nanoseconds> message_age;    ///< of its latest message
    std::optional<std::chrono::nanoseconds> heartbeat_age;  ///< since it last gave a sign of life
    std::uint32_t pins_held = 0;                            ///< messages that it has in use
};

enum class Phase : std::uint8_t { kIdle, kStarting, kRunning, kStopping, kStopped };
std::string_view name_of(Phase phase) noexcept;

struct GroupReport {
    std::string name;
    pid_t pid = -1;  ///< the supervisor's
    Phase phase = Phase::kIdle;
    std::chrono::nanoseconds uptime{0};  ///< the supervisor's
    std::chrono::nanoseconds now{0};     ///< CLOCK_MONOTONIC at the moment of this report
    std::string problem{};      ///< who should be ready and is not, and why; empty: all are
    std::string config_file;    ///< empty: none was read
    std::uint64_t reloads = 0;  ///< that succeeded
    std::uint64_t failed_reloads = 0;
    std::vector<WorkerReport> workers;  ///< all, by index

    /// Workers that are kRunning.
    [[nodiscard]] std::uint32_t ready() const noexcept;
};

/// What the control socket has seen.
struct ControlReport {
    std::uint32_t clients = 0;      ///< connected now
    std::uint64_t connections = 0;  ///< accepted so far
    std::uint64_t calls = 0;        ///< answered, or being answered
    std::uint64_t dropped = 0;      ///< clients dropped for rubbish, floods, stalls, idleness
    std::uint64_t turned_away = 0;  ///< because there were too many
};

}  // namespace shmipc::supervisor
