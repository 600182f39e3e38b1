// The part of Supervisor that judges the group as a whole: started, running, beyond help, stopped.
#include "base/log.hpp"
#include "shared/text.hpp"
#include "supervisor.hpp"
#include "troubles.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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
    if (phase_ == Phase::kStarting && start_limit_passed_) {
        watch_starts();  // who waits for whom now decides
    }
    const Tally now = tally();
    if (phase_ == Phase::kStarting) {
        if (held_.empty()) {
            judge_start(now);
        }
    } else if (phase_ == Phase::kRunning) {
        judge_running(now);
    } else if (phase_ == Phase::kStopping && now.running + now.rest == 0 && all_gone()) {
        enter(Phase::kStopped);
        io_.stop();
    }
    if (callbacks_.on_status) {
        callbacks_.on_status();
    }
}

std::size_t Supervisor::required(const Tally& tally) const {
    const std::size_t wanted = keepers_.size() - tally.stopped;
    return config_.on_failure == OnFailure::kExit
               ? wanted
               : std::min<std::size_t>(wanted, config_.start_requires);
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
    const bool all_or_none = config_.on_failure == OnFailure::kExit;
    const std::size_t wanted = keepers_.size() - tally.stopped;
    // Who only waits for another is well: it is ready as soon as that is there.
    const std::size_t there = tally.running + (all_or_none ? 0 : tally.waiting);
    const std::size_t coming = all_or_none ? tally.rest : tally.on_its_way;
    if (tally.failed == keepers_.size()) {
        fail_start(tally, "no worker could be started");
    } else if (wanted - tally.failed < required(tally)) {
        fail_start(tally, workers_in(is_failed) + " could not be started");
    } else if (there >= required(tally) && (coming == 0 || (start_limit_passed_ && !all_or_none))) {
        start_timer_.cancel();
        const bool whole = tally.running == wanted;
        log::log(whole ? log::Level::kInfo : log::Level::kWarning, log::Event::kSupervisorReady,
                 readiness());
        enter(Phase::kRunning);
        judge_running(tally);
    } else if (start_limit_passed_ && wanted > tally.running) {
        fail_start(tally, "not ready within " + to_text(config_.longest_start_limit()));
    }
}

void Supervisor::fail_start(const Tally& tally, const std::string& reason) {
    const std::string stopped = workers_in(is_stopped);
    const std::size_t needed = required(tally);
    const std::string why = troubles(true);
    stop("the start failed: " + reason + ", " + std::to_string(tally.running) + "/" +
             std::to_string(keepers_.size()) + " workers ready and " +
             (needed == keepers_.size() ? "all" : std::to_string(needed)) + " required" +
             (why.empty() ? "" : ": " + why) +
             (stopped.empty() ? ""
                              : "; stopped by order: " + stopped + ", for which others may wait") +
             (start_again_.empty() ? "" : "; mend it, then: " + start_again_),
         why_start_failed());
}

void Supervisor::judge_running(const Tally& tally) {
    if (tally.failed > 0 && config_.on_failure == OnFailure::kExit) {
        stop(troubles(false), ExitCode::kWorkersFailed);
    } else if (tally.failed > 0 && tally.running + tally.rest == 0) {
        // Alive, and nothing alive below it: a supervisor that service managers would show as well.
        stop("no worker is left: " + troubles(false), ExitCode::kWorkersFailed);
    } else {
        judge_wholeness(tally);
    }
}

void Supervisor::judge_wholeness(const Tally& tally) {
    const std::size_t wanted = keepers_.size() - tally.stopped;
    if (!degraded_ && tally.troubled + tally.waiting > 0) {
        degraded_ = true;
        log::log(log::Level::kWarning, log::Event::kGroupDegraded,
                 "the group is degraded: " + readiness());
    } else if (degraded_ && tally.running == wanted) {
        degraded_ = false;
        log::log(log::Level::kInfo, log::Event::kGroupWhole,
                 "the group is whole again: " + readiness());
    }
}

std::string Supervisor::troubles(bool all) const {
    std::vector<Trouble> found;
    for (const WorkerKeeper& keeper : keepers_) {
        const State state = keeper.state();
        const bool should_be_ready =
            state != State::kRunning && state != State::kStopped && state != State::kStopping;
        if (!should_be_ready || !(all || keeper.troubled() || keeper.waits())) {
            continue;
        }
        Trouble trouble{.worker = keeper.index(), .reason = "", .times = 0};
        if (keeper.waits()) {
            trouble.kind = Trouble::Kind::kWaiting;
        } else {
            const bool died = keeper.troubled() && state != State::kAborting;
            trouble.kind = state == State::kFailed ? Trouble::Kind::kFailed
                           : died                  ? Trouble::Kind::kDying
                                                   : Trouble::Kind::kLate;
            trouble.reason = keeper.why_not_ready(all);
            trouble.times = keeper.troubled() ? keeper.deaths_in_a_row() : 0;
        }
        found.push_back(std::move(trouble));
    }
    return describe_troubles(found, missing_);
}

std::string Supervisor::readiness() const {
    const std::string stopped = workers_in(is_stopped);
    const std::string why = troubles(phase_ == Phase::kStarting && start_limit_passed_);
    return std::to_string(tally().running) + "/" + std::to_string(keepers_.size()) +
           " workers ready" + (why.empty() ? "" : ": " + why) +
           (stopped.empty() ? "" : "; stopped by order: " + stopped);
}

ExitCode Supervisor::why_start_failed() const {
    // A command that cannot be executed is wrong configuration: to try again would not mend it.
    const auto not_executed = [](const WorkerKeeper& keeper) {
        const Certificate* const death = keeper.deaths().last_death();
        return keeper.state() != State::kFailed ||
               (death != nullptr && kind_of(*death) == DeathKind::kNotStarted);
    };
    const bool all = std::all_of(keepers_.begin(), keepers_.end(), not_executed);
    return all && !workers_in(is_failed).empty() ? ExitCode::kConfig : ExitCode::kStartFailed;
}

std::string Supervisor::status() const {
    if (phase_ == Phase::kStopping || phase_ == Phase::kStopped) {
        return (exit_code_ == ExitCode::kOk ? "stopping: " : "failed: ") + stop_reason_;
    }
    if (!held_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(start_timer_.expiry() -
                                                                  std::chrono::steady_clock::now());
        return "waiting: " + held_ + "; next try in " +
               std::to_string(std::max<std::int64_t>(left.count(), 0)) + " s";
    }
    std::uint64_t restarts = 0;
    for (const WorkerKeeper& keeper : keepers_) {
        restarts += keeper.restarts();
    }
    const std::string why = troubles(false);
    // While the group starts, some have not been started yet.
    const std::string stopped = phase_ == Phase::kStarting ? "" : workers_in(is_stopped);
    return (phase_ == Phase::kStarting ? "starting: " : "") + std::to_string(tally().running) +
           "/" + std::to_string(keepers_.size()) + " workers ready" +
           (why.empty() ? ", " : ": " + why + "; ") + std::to_string(restarts) +
           (restarts == 1 ? " restart" : " restarts") +
           (stopped.empty() ? "" : "; stopped by order: " + stopped);
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
        tally.waiting += keeper.waits() ? 1U : 0U;
        tally.on_its_way += keeper.on_its_way() ? 1U : 0U;
        tally.troubled += keeper.troubled() ? 1U : 0U;
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
