#include "supervisor.hpp"

#include "base/log.hpp"
#include "keeper/certificate.hpp"
#include "keeper/reports.hpp"
#include "shared/remedy.hpp"
#include "shared/text.hpp"
#include <shmipc/detail/check.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include <unistd.h>

namespace shmipc::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kShortestWatch{100};
constexpr std::chrono::milliseconds kLongestWatch{1000};
static_assert(HangWatch::kLongestGap >= 2 * kLongestWatch);
/// Whoever asks more often gets what was seen last.
constexpr std::chrono::milliseconds kReportLasts{100};

RestartPolicy::Random seeded_random() {
    auto engine = std::make_shared<std::minstd_rand>(std::random_device{}());
    return [engine] { return std::uniform_real_distribution<double>(0.0, 1.0)(*engine); };
}

}  // namespace

Supervisor::Supervisor(const Surroundings& surroundings, Config config)
    : io_(surroundings.io),
      config_(std::move(config)),
      group_(surroundings.group),
      stops_(surroundings.stops),
      kin_(surroundings.context.life, config_.group.workers),
      signals_(io_, SIGTERM, SIGINT, SIGHUP),
      tick_(io_),
      watch_timer_(io_),
      start_timer_(io_),
      surroundings_{.io = io_,
                    .config = config_,
                    .group = group_,
                    .context = surroundings.context,
                    .oom = oom_,
                    .kin = kin_,
                    .random = seeded_random(),
                    .others_missing = [this](WorkerIndex worker) { return others_missing(worker); },
                    .on_change = [this](WorkerIndex worker, Event event, State,
                                        State after) { on_change(worker, event, after); },
                    .check_soon = [this] { check_soon(); }},
      name_lost_(config_.group.workers, false),
      pass_every_(surroundings.pass_every),
      start_again_(surroundings.start_again) {
    signals_.add(SIGCHLD);
    signals_.add(SIGQUIT);  // Ctrl-\: asks for an end as Ctrl-C does, and leaves nothing behind
    for (std::uint32_t i = 0; i < config_.group.workers; ++i) {
        keepers_.emplace_back(surroundings_, WorkerIndex{i});
    }
}

void Supervisor::start(std::chrono::seconds delay, const std::string& why) {
    std::string why_not;
    kin_.use_groups(WorkerGroups::find(why_not));
    log::log(log::Level::kDebug, log::Event::kMessage,
             kin_.groups().present()
                 ? std::string("each worker has a control group of its own")
                 : "no control group for each worker: " + why_not +
                       "; who belongs to one is told otherwise, see shmipc-supervisor(8)");
    enter(Phase::kStarting);
    wait_for_signal();
    tick();
    watch();
    if (delay == 0s) {
        launch_all();
        return;
    }
    held_ = why;
    log::log(log::Level::kWarning, log::Event::kStartDelayed,
             why + "; the next begins in " + to_text(delay) +
                 ", or at once with: " + ctl_command(config_.group.name, "start all"));
    start_timer_.expires_after(delay);
    start_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !held_.empty()) {
            launch_all();
        }
    });
    judge_soon();  // says so
}

void Supervisor::launch_all() {
    held_.clear();
    if (callbacks_.on_launch) {
        callbacks_.on_launch();
    }
    start_timer_.expires_after(config_.longest_start_limit());
    start_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            start_limit_passed_ = true;
            judge_soon();  // after what else has come by now: the last may have told it is ready
        }
    });
    for (WorkerKeeper& keeper : keepers_) {
        if (stops_.contains(keeper.index())) {
            log_still_stopped(keeper.index());
        } else {
            keeper.order(Event::kStart);
        }
    }
    judge_soon();  // also if all are stopped
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
        stop_reason_ = reason;
        held_.clear();
        exit_code_ = code;
        enter(Phase::kStopping);
        start_timer_.cancel();
    }
    for (WorkerKeeper& keeper : keepers_) {
        keeper.order(again ? Event::kKill : Event::kStop);
    }
    judge_soon();  // also if no state changed: there may have been nobody to stop
}

void Supervisor::enter(Phase phase) {
    phase_ = phase;
    if (callbacks_.on_phase) {
        callbacks_.on_phase(phase);
    }
}

bool Supervisor::takes_orders() const noexcept {
    return phase_ == Phase::kStarting || phase_ == Phase::kRunning;
}

void Supervisor::order(WorkerIndex index, Event order) {
    SHMIPC_CHECK(to_number(index) < keepers_.size(), "the caller checks the worker's number");
    SHMIPC_CHECK(takes_orders(), "the caller asks takes_orders()");
    if (!held_.empty()) {
        launch_all();  // somebody is there, who wants it now
    }
    WorkerKeeper& keeper = keepers_[to_number(index)];
    keeper.order(order);
    stops_.set(index, keeper.state() == State::kStopped || keeper.state() == State::kStopping);
}

bool Supervisor::signal(WorkerIndex index, int signal) {
    SHMIPC_CHECK(to_number(index) < keepers_.size(), "the caller checks the worker's number");
    return keepers_[to_number(index)].signal(signal);
}

const WorkerKeeper& Supervisor::keeper(WorkerIndex index) const {
    SHMIPC_CHECK(to_number(index) < keepers_.size(), "the caller checks the worker's number");
    return keepers_[to_number(index)];
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
        stop("SIG" + name_of_signal(signal));
    } else if (callbacks_.on_hang_up) {
        callbacks_.on_hang_up();
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
    // After all deaths have been noticed, and once for them all: it finds what the dead have left.
    if (kin_.look()) {
        check_soon();
    }
    for (WorkerKeeper& keeper : keepers_) {
        keeper.settle();
    }
    if (phase_ == Phase::kStopping) {
        judge_soon();  // also the last of what was adopted may just have gone
    }
}

void Supervisor::tick() {
    tick_.expires_after(pass_every_);
    tick_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            check_all();
            oom_.look();
            watch_names();
            watch_starts();
            log::flush(std::chrono::milliseconds{0});
            if (callbacks_.on_pass) {
                callbacks_.on_pass();
            }
            tick();
        }
    });
}

void Supervisor::watch() {
    // Several looks within the shortest limit; HangWatch::kLongestGap allows for one that is late.
    const std::chrono::milliseconds limit = config_.shortest_heartbeat_limit();
    watch_timer_.expires_after(limit == 0ms ? kLongestWatch
                                            : std::clamp(limit / 5, kShortestWatch, kLongestWatch));
    watch_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            for (WorkerKeeper& keeper : keepers_) {
                keeper.watch();
            }
            watch();
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
                         "restart the group: " +
                         start_again_,
                     {{"SHMIPC_WORKER", number}});
        }
        name_lost_[number] = lost;
    }
}

void Supervisor::watch_starts() {
    bool waiting = false;
    for (WorkerKeeper& keeper : keepers_) {
        const bool before = keeper.waits();
        keeper.watch_start();
        waiting = waiting || keeper.waits();
        if (keeper.waits() != before) {
            judge_soon();
        }
    }
    missing_.clear();
    if (waiting) {
        for (const WorkerKeeper& keeper : keepers_) {
            const auto vitals = group_.vital_signs(keeper.index());
            if (vitals && vitals->incarnation == 0) {
                missing_.push_back(keeper.index());
            }
        }
    }
}

bool Supervisor::others_missing(WorkerIndex self) {
    if (all_have_been_there_) {
        return false;
    }
    // Mostly it is still the one of the last time: all ask, and each look costs a system call.
    const auto workers = static_cast<std::uint32_t>(keepers_.size());
    bool unknown = false;
    for (std::uint32_t i = 0; i < workers; ++i) {
        const WorkerIndex index{(missed_ + i) % workers};
        const auto vitals = group_.vital_signs(index);
        if (vitals && vitals->incarnation == 0 && index != self) {
            missed_ = to_number(index);
            return true;
        }
        unknown = unknown || !vitals || vitals->incarnation == 0;
    }
    all_have_been_there_ = !unknown;
    return false;
}

void Supervisor::on_change(WorkerIndex worker, Event event, State after) {
    if (log::enabled(log::Level::kDebug)) {
        log::log(log::Level::kDebug, log::Event::kMessage,
                 "worker " + std::to_string(to_number(worker)) + ": " +
                     std::string(name_of(event)) + ", now " + std::string(name_of(after)),
                 {{"SHMIPC_WORKER", to_number(worker)}});
    }
    // Where all are required, one that was too late has failed the start.
    start_limit_passed_ = start_limit_passed_ ||
                          (event == Event::kStartLimit && config_.on_failure == OnFailure::kExit);
    report_.reset();
    if (callbacks_.on_change) {
        callbacks_.on_change(worker);
    }
    judge_soon();
}

ConfigChanges Supervisor::reconfigure(const Config& fresh) {
    ConfigChanges changes = take_over(config_, fresh);
    for (WorkerKeeper& keeper : keepers_) {
        keeper.adopt_settings(false);
    }
    log::set_level(config_.log_level);
    watch();  // the limits may be shorter
    return changes;
}

void Supervisor::set_log_level(log::Level level) {
    config_.log_level = level;
    log::set_level(level);
}

std::vector<WorkerIndex> Supervisor::outdated() const {
    std::vector<WorkerIndex> result;
    for (const WorkerKeeper& keeper : keepers_) {
        if (keeper.outdated()) {
            result.push_back(keeper.index());
        }
    }
    return result;
}

void Supervisor::adopt_process(WorkerIndex index) {
    SHMIPC_CHECK(to_number(index) < keepers_.size(), "the caller checks the worker's number");
    keepers_[to_number(index)].adopt_settings(true);
}

void Supervisor::give_back(WorkerIndex index, WorkerSettings settings) {
    SHMIPC_CHECK(to_number(index) < keepers_.size(), "the caller checks the worker's number");
    WorkerKeeper& keeper = keepers_[to_number(index)];
    keeper.exchange_process(std::move(settings));
    keeper.adopt_settings(false);  // limits are the new ones for all
}

void Supervisor::check_commands(const Config& fresh) const {
    std::map<std::string, std::vector<WorkerIndex>> failures;
    for (const WorkerKeeper& keeper : keepers_) {
        const WorkerSettings& settings = fresh.settings_of(keeper.index());
        if (settings.command == keeper.settings().command) {
            continue;
        }
        // The placeholders stand for what runs: name and size of the group stay.
        const std::string why =
            why_not_startable(config_, keeper.index(), settings, surroundings_.context);
        if (!why.empty()) {
            failures[why].push_back(keeper.index());
        }
    }
    if (failures.empty()) {
        return;
    }
    std::string text;
    for (const auto& [why, workers] : failures) {
        text += (text.empty() ? "" : "; ") + std::string("the new command of ") +
                name_workers(workers) + " cannot be executed: " + why;
    }
    throw ConfigError((fresh.file.empty() ? "" : fresh.file + ": ") + text +
                      "; nobody was stopped for it: mend worker.command and reload again "
                      "(shmipcctl --group " +
                      config_.group.name + " reload)");
}

const GroupReport& Supervisor::report() {
    const auto now = std::chrono::steady_clock::now();
    if (report_ && now - report_at_ < kReportLasts) {
        return *report_;
    }
    report_at_ = now;
    report_ = GroupReport{.name = config_.group.name,
                          .pid = ::getpid(),
                          .phase = phase_,
                          .uptime = now - born_,
                          .now = now.time_since_epoch(),
                          .problem = held_.empty() ? troubles(false) : held_,
                          .config_file = config_.file,
                          .reloads = 0,
                          .failed_reloads = 0,
                          .workers = {}};
    const std::vector<ConsumerTotals> totals = group_.consumer_totals();
    for (const WorkerKeeper& keeper : keepers_) {
        report_->workers.push_back(keeper.report(totals[to_number(keeper.index())]));
    }
    return *report_;
}

}  // namespace shmipc::supervisor
