// The death certificate of a process: how it ended, and what it left behind. One log line each.
//
// Made when the process is reaped, by its keeper; systemd loses the unit of a process that just
// exited (systemd #2913), so this line is the only one that says all.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/log.hpp>

#include <sys/types.h>

namespace shmipc::supervisor {

struct Certificate {
    WorkerIndex worker{0};
    pid_t pid = -1;  ///< −1: there was no process, the system refused the fork
    /// As waitpid(2) gives it; nothing if somebody else reaped the process.
    std::optional<int> status;
    std::chrono::nanoseconds uptime{0};
    std::uint32_t incarnation = 0;  ///< 0: it never attached to the group
    std::uint64_t sequence = 0;     ///< last message that this worker published, in any incarnation
    std::vector<HeldMessage> held;  ///< messages that it had in use; empty if it never attached
    std::uint64_t restarts = 0;  ///< of this worker since the supervisor started, before this death
};

/// "was killed by signal 9 (KILL)", "exited with status 3", with ", core dumped" where it was.
std::string how_it_ended(const Certificate& certificate);

/// "worker 1 (pid 4711) was killed by signal 9 (KILL) after 2.1 s; <consequence>", and the messages
/// that it held.
std::string obituary(const Certificate& certificate, const std::string& consequence);

/// Logs the obituary as kWorkerExited with all fields.
void log_certificate(const Certificate& certificate, log::Level level,
                     const std::string& consequence, std::chrono::nanoseconds backoff);

}  // namespace shmipc::supervisor
