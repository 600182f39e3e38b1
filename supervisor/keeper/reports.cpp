#include "reports.hpp"

#include "base/log.hpp"
#include "base/units.hpp"
#include "certificate.hpp"
#include "process_sight.hpp"
#include "shared/remedy.hpp"
#include "shared/text.hpp"

#include <cerrno>
#include <string_view>

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

void log_still_stopped(WorkerIndex worker) {
    log::log(log::Level::kInfo, log::Event::kMessage,
             title(worker) + " stays down: it was stopped by order, and has not been started since",
             {{"SHMIPC_WORKER", to_number(worker)}});
}

void log_fork_failure(WorkerIndex worker, const Error& error) {
    // Of too few descriptors the error itself tells the remedy.
    const std::string_view remedy = error.system_errno() == EAGAIN
                                        ? "; is the limit of processes reached? See LimitNPROC= "
                                          "and TasksMax= of the service, or ulimit -u"
                                        : "";
    log::log(log::Level::kError, log::Event::kWorkerExecFailed,
             title(worker) + " cannot be forked: " + error.text() + std::string(remedy),
             {{"SHMIPC_WORKER", to_number(worker)}, {"ERRNO", error.system_errno()}});
}

void log_exec_failure(WorkerIndex worker, pid_t pid, const std::string& failure,
                      const std::string& group) {
    log::log(log::Level::kError, log::Event::kWorkerExecFailed,
             title(worker) + " cannot be executed: " + failure +
                 "; it stays down: mend the command and start it again with: " +
                 ctl_command(group, "start " + std::to_string(to_number(worker))),
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_exec_refused(WorkerIndex worker, pid_t pid, const std::string& failure) {
    log::log(log::Level::kError, log::Event::kWorkerExecFailed,
             title(worker) + " cannot be executed now: " + failure,
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
                std::chrono::milliseconds limit, const std::string& doing) {
    log::log(log::Level::kWarning, log::Event::kWorkerKilled,
             title(worker, pid) + " " + std::string(what) + " within " + to_text(limit) +
                 ": killed" + (doing.empty() ? "" : "; it " + doing),
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_ready_again(WorkerIndex worker, pid_t pid, std::uint64_t restarts) {
    log::log(log::Level::kInfo, log::Event::kWorkerReadyAgain,
             title(worker, pid) + " is ready again",
             {{"SHMIPC_WORKER", to_number(worker)},
              {"SHMIPC_WORKER_PID", pid},
              {"SHMIPC_RESTARTS", restarts}});
}

void log_left(WorkerIndex worker, pid_t pid, std::size_t processes) {
    log::log(log::Level::kInfo, log::Event::kMessage,
             title(worker, pid) + " has left " + std::to_string(processes) +
                 (processes == 1 ? " process behind: killed" : " processes behind: killed"),
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

std::string describe_left(const std::vector<pid_t>& processes) {
    if (processes.empty()) {
        return "the worker's control group is not empty, long after SIGKILL";
    }
    constexpr std::size_t kMostNamed = 4;
    std::string text;
    for (std::size_t i = 0; i < processes.size() && i < kMostNamed; ++i) {
        const auto sight = look_at(processes[i]);
        text += (i == 0 ? "process " : ", process ") + std::to_string(processes[i]) +
                (sight && sight->state == 'D' ? " (in an uninterruptible system call)" : "");
    }
    if (processes.size() > kMostNamed) {
        text += " and " + std::to_string(processes.size() - kMostNamed) + " more";
    }
    return text + " did not end by SIGKILL: see ps and dmesg, and whether another user's it is";
}

void log_left_behind(WorkerIndex worker, pid_t pid, const std::string& left) {
    log::log(log::Level::kError, log::Event::kMessage,
             title(worker, pid) + " has ended, but something of it is left: " + left,
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_signalled(WorkerIndex worker, pid_t pid, int signal) {
    log::log(log::Level::kInfo, log::Event::kWorkerSignalled,
             title(worker, pid) + " is sent signal " + std::to_string(signal) + " (" +
                 name_of_signal(signal) + ")",
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_slow(WorkerIndex worker, pid_t pid, std::chrono::nanoseconds silence,
              const std::string& doing, std::chrono::milliseconds limit) {
    log::log(log::Level::kWarning, log::Event::kWorkerSlow,
             title(worker, pid) + " has given no sign of life for " + describe_duration(silence) +
                 ": it " + doing + "; after " + to_text(limit) + " it counts as hung",
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_recovered(WorkerIndex worker, pid_t pid) {
    log::log(log::Level::kInfo, log::Event::kWorkerRecovered,
             title(worker, pid) + " gives signs of life again",
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_hung(WorkerIndex worker, pid_t pid, std::chrono::nanoseconds silence,
              const std::string& doing, std::chrono::milliseconds grace) {
    log::log(log::Level::kError, log::Event::kWorkerHung,
             title(worker, pid) + " hangs: no sign of life for " + describe_duration(silence) +
                 ", it " + doing + "; aborting it, and killing it after " + to_text(grace),
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_core(WorkerIndex worker, pid_t pid, std::chrono::milliseconds limit) {
    log::log(log::Level::kWarning, log::Event::kMessage,
             title(worker, pid) + " is writing its core: killing it waits for that, up to " +
                 to_text(limit),
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_WORKER_PID", pid}});
}

void log_given_up(WorkerIndex worker, const RestartLimits& limits, std::uint64_t restarts,
                  const std::string& last, const std::string& group) {
    log::log(log::Level::kError, log::Event::kWorkerFailed,
             title(worker) + " failed: " + std::to_string(limits.max_restarts) +
                 " restarts within " + to_text(limits.window) + " were not enough, and it " + last +
                 " again; it stays down: mend it and start it again with: " +
                 ctl_command(group, "start " + std::to_string(to_number(worker))),
             {{"SHMIPC_WORKER", to_number(worker)}, {"SHMIPC_RESTARTS", restarts}});
}

}  // namespace shmipc::supervisor
