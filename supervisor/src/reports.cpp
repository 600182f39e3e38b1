#include "reports.hpp"

#include <shmipc/log.hpp>
#include <shmipc/units.hpp>

#include "text.hpp"

namespace shmipc::supervisor {
namespace {

std::string title(WorkerIndex worker) {
    return "worker " + std::to_string(to_number(worker));
}

std::string title(WorkerIndex worker, pid_t pid) {
    return title(worker) + " (pid " + std::to_string(pid) + ")";
}

}  // namespace

void log_started(WorkerIndex worker, pid_t pid, std::uint64_t restarts) {
    log::log(log::Level::kInfo, log::Event::kWorkerStarted, title(worker, pid) + " started",
             {{"SHMIPC_WORKER", to_number(worker)},
              {"SHMIPC_WORKER_PID", pid},
              {"SHMIPC_RESTARTS", restarts}});
}

void log_fork_failure(WorkerIndex worker, const Error& error) {
    log::log(log::Level::kError, log::Event::kWorkerExecFailed,
             title(worker) + " cannot be forked: " + error.text(),
             {{"SHMIPC_WORKER", to_number(worker)}, {"ERRNO", error.system_errno()}});
}

void log_exec_failure(WorkerIndex worker, pid_t pid, const std::string& failure) {
    log::log(log::Level::kError, log::Event::kWorkerExecFailed,
             title(worker) + " cannot be executed: " + failure +
                 "; it stays down: mend the command and start it again",
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_busy(WorkerIndex worker, std::chrono::nanoseconds delay) {
    log::log(log::Level::kWarning, log::Event::kWorkerRestarting,
             title(worker) +
                 " is running elsewhere: its identity is held by another process; trying "
                 "again in " +
                 describe_duration(delay),
             {{"SHMIPC_WORKER", to_number(worker)},
              {"SHMIPC_BACKOFF_USEC",
               std::chrono::duration_cast<std::chrono::microseconds>(delay).count()}});
}

void log_killed(WorkerIndex worker, pid_t pid, std::string_view what,
                std::chrono::milliseconds limit) {
    log::log(
        log::Level::kWarning, log::Event::kWorkerKilled,
        title(worker, pid) + " " + std::string(what) + " within " + to_text(limit) + ": killed",
        {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_given_up(WorkerIndex worker, const RestartLimits& limits, std::uint64_t restarts) {
    log::log(log::Level::kError, log::Event::kWorkerFailed,
             title(worker) + " failed: " + std::to_string(limits.max_restarts) +
                 " restarts within " + to_text(limits.window) + " were not enough; it stays down",
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_RESTARTS", restarts}});
}

}  // namespace shmipc::supervisor
