#include "supervisor.hpp"

#include <csignal>
#include <cstddef>
#include <memory>
#include <random>

#include <shmipc/check.hpp>
#include <shmipc/log.hpp>

#include <boost/asio/post.hpp>

#include "text.hpp"

namespace shmipc::supervisor {
namespace {

using namespace std::chrono_literals;

RestartPolicy::Random seeded_random() {
    auto engine = std::make_shared<std::minstd_rand>(std::random_device{}());
    return [engine] { return std::uniform_real_distribution<double>(0.0, 1.0)(*engine); };
}

bool is_failed(State state) noexcept {
    return state == State::kFailed;
}
bool is_not_ready(State state) noexcept {
    return is_active(state) && state != State::kRunning;
}

}  // namespace

Supervisor::Supervisor(boost::asio::io_context& io, const Config& config, const Group& group,
                       const LaunchContext& context, bool hang_up_stops)
    : io_(io),
      config_(config),
      group_(group),
      hang_up_stops_(hang_up_stops),
      signals_(io, SIGTERM, SIGINT, SIGHUP),
      tick_(io),
      start_timer_(io),
      surroundings_{.io = io,
                    .config = config,
                    .group = group,
                    .context = context,
                    .random = seeded_random(),
                    .on_change = [this](WorkerIndex worker, Event event, State,
                                        State after) { on_change(worker, event, after); }},
      name_lost_(config.group.workers, false) {
    signals_.add(SIGCHLD);
    for (std::uint32_t i = 0; i < config.group.workers; ++i) {
        keepers_.emplace_back(surroundings_, WorkerIndex{i});
    }
}

void Supervisor::start() {
    phase_ = Phase::kStarting;
    wait_for_signal();
    tick();
    start_timer_.expires_after(config_.longest_start_limit());
    start_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            start_limit_passed();
        }
    });
    for (WorkerKeeper& keeper : keepers_) {
        keeper.order(Event::kStart);
    }
}

void Supervisor::stop(std::string_view reason, ExitCode code) {
    if (phase_ == Phase::kStopped) {
        return;
    }
    const bool again = phase_ == Phase::kStopping;
    log::log(code == ExitCode::kOk ? log::Level::kInfo : log::Level::kError,
             log::Event::kSupervisorStopping,
             again ? std::string(reason) + " again: killing the workers that are left"
                   : std::string(reason) + ": stopping all workers");
    if (!again) {
        phase_ = Phase::kStopping;
        exit_code_ = code;
        start_timer_.cancel();
    }
    for (WorkerKeeper& keeper : keepers_) {
        keeper.order(again ? Event::kKill : Event::kStop);
    }
    judge_soon();  // also if no state changed: there may have been nobody to stop
}

void Supervisor::toggle(WorkerIndex index) {
    SHMIPC_CHECK(to_number(index) < keepers_.size(), "the caller checks the worker's number");
    if (phase_ == Phase::kStarting || phase_ == Phase::kRunning) {
        keepers_[to_number(index)].order(Event::kToggle);
    }
}

void Supervisor::wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
        if (!error) {
            on_signal(signal);
            wait_for_signal();
        }
    });
}

void Supervisor::on_signal(int signal) {
    if (signal == SIGCHLD) {
        check_soon();
    } else if (signal != SIGHUP) {
        stop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    } else if (hang_up_stops_) {
        stop("hang-up");
    } else {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "SIGHUP changes nothing: a changed configuration applies after a restart");
    }
}

void Supervisor::check_soon() {
    // One pass for all the signals that are waiting: a pass costs a system call for each worker.
    if (!check_posted_) {
        check_posted_ = true;
        boost::asio::post(io_, [this] {
            check_posted_ = false;
            check_all();
        });
    }
}

void Supervisor::check_all() {
    for (WorkerKeeper& keeper : keepers_) {
        keeper.check();
    }
}

void Supervisor::tick() {
    tick_.expires_after(1s);
    tick_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            check_all();
            watch_names();
            log::flush(std::chrono::milliseconds{0});
            tick();
        }
    });
}

void Supervisor::watch_names() {
    for (const WorkerKeeper& keeper : keepers_) {
        const std::uint32_t number = to_number(keeper.index());
        const bool lost = group_.verify_name(keeper.index()) == Errc::kNameLost;
        if (lost && !name_lost_[number]) {
            log::log(log::Level::kError, log::Event::kObjectNameLost,
                     "object " + object_name(config_.group.name, keeper.index()) +
                         " has lost its name: somebody removed it (rm, or systemd's RemoveIPC); "
                         "restart the group",
                     {{"SHMIPC_WORKER", number}});
        }
        name_lost_[number] = lost;
    }
}

void Supervisor::on_change(WorkerIndex worker, Event event, State after) {
    if (log::enabled(log::Level::kDebug)) {
        log::log(log::Level::kDebug, log::Event::kMessage,
                 "worker " + std::to_string(to_number(worker)) + ": " +
                     std::string(name_of(event)) + ", now " + std::string(name_of(after)),
                 {{"SHMIPC_WORKER", to_number(worker)}});
    }
    start_limit_passed_ = start_limit_passed_ || event == Event::kStartLimit;
    judge_soon();
}

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
    } else if (phase_ == Phase::kStopping && now.running + now.rest == 0) {
        phase_ = Phase::kStopped;
        io_.stop();
    }
}

void Supervisor::judge_start(const Tally& tally) {
    if (start_limit_passed_) {
        start_limit_passed();
    } else if (tally.failed == keepers_.size()) {
        stop("no worker could be started", ExitCode::kStartFailed);
    } else if (tally.failed > 0 && config_.on_failure == OnFailure::kExit) {
        stop("worker " + workers_in(is_failed) + " could not be started", ExitCode::kStartFailed);
    } else if (tally.rest == 0) {
        phase_ = Phase::kRunning;
        start_timer_.cancel();
        report_ready(tally);
        judge_running(tally);
    }
}

void Supervisor::judge_running(const Tally& tally) {
    if (tally.failed > 0 && config_.on_failure == OnFailure::kExit) {
        stop("worker " + workers_in(is_failed) + " failed", ExitCode::kWorkersFailed);
    } else if (tally.failed > 0 && tally.running + tally.rest == 0) {
        // Alive, and nothing alive below it: a supervisor that service managers would show as well.
        stop("no worker is left: " + workers_in(is_failed) + " failed", ExitCode::kWorkersFailed);
    }
}

void Supervisor::start_limit_passed() {
    if (phase_ != Phase::kStarting) {
        return;
    }
    const std::string failed = workers_in(is_failed);
    stop("the start failed: worker " + workers_in(is_not_ready) + " was not ready within " +
             to_text(config_.longest_start_limit()) +
             (failed.empty() ? "" : ", and worker " + failed + " failed"),
         ExitCode::kStartFailed);
}

void Supervisor::report_ready(const Tally& tally) {
    const std::string failed = workers_in(is_failed);
    log::log(failed.empty() ? log::Level::kInfo : log::Level::kWarning,
             log::Event::kSupervisorReady,
             std::to_string(tally.running) + "/" + std::to_string(keepers_.size()) +
                 " workers ready" + (failed.empty() ? "" : "; failed: " + failed));
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
    std::string text;
    for (const WorkerKeeper& keeper : keepers_) {
        if (belongs(keeper.state())) {
            text += (text.empty() ? "" : ", ") + std::to_string(to_number(keeper.index()));
        }
    }
    return text;
}

}  // namespace shmipc::supervisor
