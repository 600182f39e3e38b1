// What a supervisor says of its workers besides their deaths (certificate.hpp): one log line each.
#pragma once

#include "policy.hpp"
#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

void log_started(WorkerIndex worker, pid_t pid, std::uint64_t restarts);
/// An operator stopped it, and it stays down over the supervisor's own end.
void log_still_stopped(WorkerIndex worker);
void log_fork_failure(WorkerIndex worker, const Error& error);
/// `failure`: the program's path and why it is not to be executed.
void log_exec_failure(WorkerIndex worker, pid_t pid, const std::string& failure,
                      const std::string& group);
/// The same for a reason that may pass; it is tried again like one that dies.
void log_exec_refused(WorkerIndex worker, pid_t pid, const std::string& failure);
/// Its identity is held by another process; it is tried again after `delay`.
void log_busy(WorkerIndex worker, std::chrono::nanoseconds delay);
/// Killed by the supervisor, since it had not done `what` within `limit`.
/// `doing`: what it does instead, after "it"; may be empty.
void log_killed(WorkerIndex worker, pid_t pid, std::string_view what,
                std::chrono::milliseconds limit, const std::string& doing);
/// What a worker has left when it ended, and is killed now.
void log_left(WorkerIndex worker, pid_t pid, std::size_t processes);
/// "process 4711 (name) does not end, it is in …", of each.
std::string describe_left(const std::vector<pid_t>& processes);
/// What is left of it still, long after SIGKILL.
void log_left_behind(WorkerIndex worker, pid_t pid, const std::string& left);
/// After the start of the group.
void log_ready_again(WorkerIndex worker, pid_t pid, std::uint64_t restarts);
void log_signalled(WorkerIndex worker, pid_t pid, int signal);
/// No sign of life for `silence`; `doing`: "spins …" (describe_silence()).
void log_slow(WorkerIndex worker, pid_t pid, std::chrono::nanoseconds silence,
              const std::string& doing, std::chrono::milliseconds limit);
void log_recovered(WorkerIndex worker, pid_t pid);
void log_hung(WorkerIndex worker, pid_t pid, std::chrono::nanoseconds silence,
              const std::string& doing, std::chrono::milliseconds grace);
/// SIGKILL is put off while its core is written.
void log_core(WorkerIndex worker, pid_t pid, std::chrono::milliseconds limit);
/// `last`: how it died last.
void log_given_up(WorkerIndex worker, const RestartLimits& limits, std::uint64_t restarts,
                  const std::string& last, const std::string& group);

}  // namespace shmipc::supervisor
