// What a supervisor says of its workers besides their deaths (certificate.hpp): one log line each.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>

#include <sys/types.h>

#include "policy.hpp"

namespace shmipc::supervisor {

void log_started(WorkerIndex worker, pid_t pid, std::uint64_t restarts);
void log_fork_failure(WorkerIndex worker, const Error& error);
/// `failure`: the program's path and why it is not to be executed.
void log_exec_failure(WorkerIndex worker, pid_t pid, const std::string& failure);
/// Its identity is held by another process; it is tried again after `delay`.
void log_busy(WorkerIndex worker, std::chrono::nanoseconds delay);
/// Killed by the supervisor, since it had not done `what` within `limit`.
void log_killed(WorkerIndex worker, pid_t pid, std::string_view what,
                std::chrono::milliseconds limit);
void log_given_up(WorkerIndex worker, const RestartLimits& limits, std::uint64_t restarts);

}  // namespace shmipc::supervisor
