// The part of Supervisor that judges the group as a whole: started, running, beyond help, stopped.
#include <algorithm>
#include <string>
#include <vector>

#include <shmipc/log.hpp>

#include <boost/asio/post.hpp>

#include "shared/text.hpp"
#include "supervisor.hpp"

namespace shmipc::supervisor {
namespace {

/// What was adopted is waited for this long at the end; the pass of each second looks.
constexpr std::chrono::seconds kMostLeaving{3};

bool is_failed(State state) noexcept {
    return state == State::kFailed;
}
bool is_stopped(State state) noexcept {
    return state == State::kStopped;
}
bool is_not_ready(State state) noexcept {
    return is_active(state) && state != State::kRunning;
}

}  // namespace

void Supervisor::judge_soon() {
    // Later, and once for all that changes now: judging orders, and orders change states.
    if (!judge_posted_) {
        judge_posted_ = true;
        boost::asio::post(io_, [this] {
            judge_posted_ = false;
            judge();
        });
    }
}

void Supervisor::judge() {
    const Tally now = tally();
    if (phase_ == Phase::kStarting) {
        judge_start(now);
    } else if (phase_ == Phase::kRunning) {
        judge_running(now);
    } else if (phase_ == Phase::kStopping && now.running + now.rest == 0 && all_gone()) {
        enter(Phase::kStopped);
        io_.stop();
    }
}

bool Supervisor::all_gone() {
    // Nothing that came from a worker lives on, whoever's it was: what is left has no worker, or
    // was none's that could be told.
    if (kin_.look()) {
        check_soon();
    }
    const std::size_t left = kin_.end_all();
    const auto now = std::chrono::steady_clock::now();
    if (!none_since_) {
        none_since_ = now;
    }
    if (left == 0) {
        return true;
    }
    if (now - *none_since_ < kMostLeaving) {
        return false;  // each one's end is a SIGCHLD
    }
    log::log(log::Level::kError, log::Event::kMessage,
             std::to_string(left) +
                 (left == 1 ? " process that a worker has left does not end"
                            : " processes that workers have left do not end") +
                 " by SIGKILL: see ps and dmesg");
    return true;
}

void Supervisor::judge_start(const Tally& tally) {
    if (start_limit_passed_ && tally.rest > 0) {
        start_limit_passed();
    } else if (tally.failed == keepers_.size()) {
        stop("no worker could be started", why_start_failed());
    } else if (tally.failed > 0 && config_.on_failure == OnFailure::kExit) {
        stop(workers_in(is_failed) + " could not be started", why_start_failed());
    } else if (tally.rest == 0) {
        start_timer_.cancel();
        report_ready(tally);
        enter(Phase::kRunning);
        judge_running(tally);
    }
}

void Supervisor::judge_running(const Tally& tally) {
    if (tally.failed > 0 && config_.on_failure == OnFailure::kExit) {
        stop(workers_in(is_failed) + " failed", ExitCode::kWorkersFailed);
    } else if (tally.failed > 0 && tally.running + tally.rest == 0) {
        // Alive, and nothing alive below it: a supervisor that service managers would show as well.
        stop("no worker is left: " + workers_in(is_failed) + " failed", ExitCode::kWorkersFailed);
    }
}

void Supervisor::start_limit_passed() {
    // The last may have told just now that it is ready, above all if we did not run for a while.
    if (phase_ != Phase::kStarting || tally().rest == 0) {
        return;
    }
    const std::string failed = workers_in(is_failed);
    const std::string stopped = workers_in(is_stopped);
    // The stock worker is not ready before all have attached once, in the life of the group.
    stop("the start failed: not ready within " + to_text(config_.longest_start_limit()) + ": " +
             workers_in(is_not_ready) + (failed.empty() ? "" : "; failed: " + failed) +
             (stopped.empty() ? ""
                              : "; stopped by order: " + stopped + ", for which others may wait"),
         ExitCode::kStartFailed);
}

void Supervisor::report_ready(const Tally& tally) {
    const std::string failed = workers_in(is_failed);
    const std::string stopped = workers_in(is_stopped);
    log::log(failed.empty() ? log::Level::kInfo : log::Level::kWarning,
             log::Event::kSupervisorReady,
             std::to_string(tally.running) + "/" + std::to_string(keepers_.size()) +
                 " workers ready" + (stopped.empty() ? "" : "; stopped by order: " + stopped) +
                 (failed.empty() ? "" : "; failed: " + failed));
}

ExitCode Supervisor::why_start_failed() const {
    // A command that cannot be executed is wrong configuration: to try again would not mend it.
    const auto not_executed = [](const WorkerKeeper& keeper) {
        const auto& deaths = keeper.deaths().last();
        return keeper.state() != State::kFailed ||
               (!deaths.empty() && kind_of(deaths.back()) == DeathKind::kNotStarted);
    };
    return std::all_of(keepers_.begin(), keepers_.end(), not_executed) ? ExitCode::kConfig
                                                                       : ExitCode::kStartFailed;
}

std::string Supervisor::status() const {
    const Tally now = tally();
    std::uint64_t restarts = 0;
    for (const WorkerKeeper& keeper : keepers_) {
        restarts += keeper.restarts();
    }
    const std::string failed = workers_in(is_failed);
    // While the group starts, some have not been started yet.
    const std::string stopped = phase_ == Phase::kStarting ? "" : workers_in(is_stopped);
    if (phase_ == Phase::kStopping || phase_ == Phase::kStopped) {
        return (exit_code_ == ExitCode::kOk ? "stopping: " : "failed: ") + stop_reason_;
    }
    return (phase_ == Phase::kStarting ? "starting: " : "") + std::to_string(now.running) + "/" +
           std::to_string(keepers_.size()) + " workers ready, " + std::to_string(restarts) +
           (restarts == 1 ? " restart" : " restarts") +
           (stopped.empty() ? "" : "; stopped by order: " + stopped) +
           (failed.empty() ? "" : "; failed: " + failed);
}

Supervisor::Tally Supervisor::tally() const {
    Tally tally;
    for (const WorkerKeeper& keeper : keepers_) {
        switch (keeper.state()) {
            case State::kRunning:
                ++tally.running;
                break;
            case State::kStopped:
                ++tally.stopped;
                break;
            case State::kFailed:
                ++tally.failed;
                break;
            default:
                ++tally.rest;
        }
    }
    return tally;
}

std::string Supervisor::workers_in(bool (*belongs)(State)) const {
    std::vector<WorkerIndex> workers;
    for (const WorkerKeeper& keeper : keepers_) {
        if (belongs(keeper.state())) {
            workers.push_back(keeper.index());
        }
    }
    return workers.empty() ? "" : name_workers(workers);
}

}  // namespace shmipc::supervisor
