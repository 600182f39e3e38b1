#include "worker_keeper.hpp"

#include "base/units.hpp"
#include "reports.hpp"
#include "shared/text.hpp"
#include <shmipc/detail/check.hpp>
#include <shmipc/error.hpp>

#include <algorithm>
#include <csignal>
#include <utility>

#include <unistd.h>

namespace shmipc::supervisor {
namespace {

using namespace std::chrono_literals;

/// How often to look whether the kernel still writes a worker's core.
constexpr std::chrono::milliseconds kCoreLook{100};
/// How often to look whether one that waited beyond its start limit still does.
constexpr std::chrono::milliseconds kWaitLook{1'000};
/// Signs of life that a worker owes while it waits at its start, if it owes none later.
constexpr std::chrono::milliseconds kBeatPatience{30'000};
/// A worker that died this often in a row, and was never ready between, does not just need time.
constexpr std::uint32_t kDeathsOfTheDoomed = 3;

/// Ended by its supervisor, since it hung or was not ready in time: how is of no interest then.
bool condemned_by_us(const Certificate& certificate) {
    return !certificate.cause.empty() && certificate.cause != kSentByOrder;
}

}  // namespace

WorkerKeeper::WorkerKeeper(const Surroundings& surroundings, WorkerIndex index)
    : surroundings_(surroundings),
      life_surroundings_{.io = surroundings.io,
                         .group = surroundings.group,
                         .oom = surroundings.oom,
                         .kin = surroundings.kin,
                         .check_soon = surroundings.check_soon},
      settings_(surroundings.config.settings_of(index)),
      index_(index),
      policy_(surroundings.config.restart, surroundings.random),
      timer_(surroundings.io) {}

void WorkerKeeper::order(Event event) {
    go_on(event, true);
}

bool WorkerKeeper::signal(int signal) {
    if (pid() < 0) {
        return false;
    }
    log_signalled(index_, pid(), signal);
    life_->signal_by_order(signal);
    return true;
}

void WorkerKeeper::adopt_settings(bool process) {
    const WorkerSettings& fresh = surroundings_.config.settings_of(index_);
    policy_.set_limits(surroundings_.config.restart);
    if (process) {
        settings_ = fresh;
        return;
    }
    settings_.start_limit = fresh.start_limit;
    settings_.stop_grace = fresh.stop_grace;
    settings_.heartbeat_limit = fresh.heartbeat_limit;
    settings_.core_limit = fresh.core_limit;
}

WorkerSettings WorkerKeeper::exchange_process(WorkerSettings settings) {
    return std::exchange(settings_, std::move(settings));
}

bool WorkerKeeper::outdated() const {
    return !settings_.same_process(surroundings_.config.settings_of(index_));
}

void WorkerKeeper::observe(Event event) {
    go_on(event, false);
}

void WorkerKeeper::go_on(std::optional<Event> event, bool ordered) {
    while (event) {
        const State before = machine_.state();
        const Step step =
            ordered ? machine_.order(*event) : machine_.observe(*event, machine_.launch());
        note_state(before, step.next, *event);
        if (step.next != before) {
            surroundings_.on_change(index_, *event, before, step.next);
        }
        std::optional<Event> next;
        for (const Action action : step.actions) {
            if (action != Action::kNone) {
                SHMIPC_CHECK(!next, "only a step's last action tells what has come of it");
                next = perform(action, *event);
            }
        }
        event = next;
        ordered = false;
    }
}

void WorkerKeeper::note_state(State before, State after, Event event) {
    switch (after) {
        case State::kRunning:
            if (before != State::kRunning && machine_.launch() > 1) {
                log_ready_again(index_, pid(), restarts_);
            }
            [[fallthrough]];
        case State::kStopped:
        case State::kStopping:
            troubled_ = false;
            was_late_ = false;
            break;
        case State::kBackoff:
            troubled_ = true;
            break;
        case State::kAborting:
            was_late_ = was_late_ || event == Event::kStartLimit;
            [[fallthrough]];
        case State::kFailed:
            troubled_ = true;
            break;
        case State::kStarting:
        case State::kRestarting:
            break;
    }
}

std::optional<Event> WorkerKeeper::perform(Action action, Event cause) {
    switch (action) {
        case Action::kNone:
            break;
        case Action::kLaunch:
            return launch(cause);
        case Action::kTerminate:
            terminate(cause);
            break;
        case Action::kKill:
            kill(cause);
            break;
        case Action::kAbort:
            abort_hung();
            break;
        case Action::kCancelTimer:
            disarm();
            break;
        case Action::kForgetDeaths:
            policy_.forget();
            was_late_ = false;
            break;
        case Action::kConsultPolicy:
            return consult_policy();
        case Action::kRetryBusy:
            return retry_busy();
        case Action::kReportDeath:
            record_end(last_end_.certificate.ordered ? log::Level::kInfo : log::Level::kWarning,
                       machine_.state() == State::kStopped ? "it stays down" : "starting it again",
                       0ns);
            break;
        case Action::kReportExecFailure:
            report_exec_failure();
            break;
    }
    return std::nullopt;
}

std::optional<Event> WorkerKeeper::launch(Event cause) {
    SHMIPC_CHECK(!life_, "a worker has one life at a time");
    if (machine_.launch() > 1 && cause != Event::kBackoffElapsed) {
        ++ordered_restarts_;
    } else if (after_death_) {
        ++restarts_;
    }
    after_death_ = false;
    waits_ = false;
    excused_ = false;
    life_.emplace(life_surroundings_, index_, restarts_);
    const auto give_up = [this](Event event, std::string not_executed) {
        last_end_ = life_->unborn(event, std::move(not_executed));
        life_.reset();
        return event;
    };
    const std::string name = program_name(surroundings_.config, index_, settings_);
    const Program program = find_program(name, surroundings_.context);
    if (!program.found) {
        return give_up(Event::kExecFailed, not_found(name, surroundings_.context));
    }
    try {
        life_->begin(
            plan_launch(surroundings_.config, index_, settings_, program.path,
                        surroundings_.context),
            surroundings_.config.group.name,
            [this] { return machine_.state() == State::kStarting; },
            [this] { observe(Event::kReady); });
    } catch (const Error& error) {
        // The system is short of something: no different from a worker that dies at once, and
        // tried again as rarely.
        log_fork_failure(index_, error);
        return give_up(Event::kDied, "");
    }
    arm(settings_.start_limit, Event::kStartLimit);
    log_started(index_, pid(), restarts_);
    return std::nullopt;
}

void WorkerKeeper::terminate(Event cause) {
    life_->end_by_order(cause == Event::kRestart ? "restarted by order" : "stopped by order");
    life_->terminate();
    arm(settings_.stop_grace, Event::kGraceElapsed);
}

void WorkerKeeper::kill(Event cause) {
    const pid_t pid = life_->last_pid();  // what it has left may be what is killed
    if (cause == Event::kStartLimit) {
        const std::string doing = hindrance();
        log_killed(index_, pid, "was not ready", settings_.start_limit, doing);
        life_->condemn("it was not ready within " + to_text(settings_.start_limit) +
                       (doing.empty() ? "" : ": it " + doing));
    } else if (cause == Event::kGraceElapsed) {
        log_killed(index_, pid, "did not end", settings_.stop_grace, "");
        life_->add_to_cause(", and did not end within " + to_text(settings_.stop_grace));
    } else {
        life_->end_by_order("stopped by order");
    }
    life_->kill();
}

void WorkerKeeper::abort_hung() {
    life_->condemn("it hung");
    life_->abort();
    arm(settings_.stop_grace, Event::kGraceElapsed);
}

void WorkerKeeper::arm(Clock::duration delay, Event event) {
    timer_.expires_after(delay);
    // One that has run out and waits in the loop cannot be cancelled any more; it must not arm the
    // timer anew in place of the one that is wanted now.
    timer_.async_wait([this, event, armed = ++armed_](const boost::system::error_code& error) {
        if (!error && armed == armed_) {
            on_timer(event);
        }
    });
}

void WorkerKeeper::disarm() {
    ++armed_;
    timer_.cancel();
}

void WorkerKeeper::on_timer(Event event) {
    const bool would_kill = event == Event::kGraceElapsed || event == Event::kStartLimit;
    if (would_kill && life_ && life_->waits_for_core(settings_.core_limit)) {
        arm(kCoreLook, event);
        return;
    }
    if (event == Event::kStartLimit) {
        watch_start();
        if (waits_) {
            excused_ = true;
            arm(kWaitLook, event);
            return;
        }
        if (std::exchange(excused_, false)) {
            arm(settings_.start_limit, event);  // all it waited for is there only now
            return;
        }
    }
    observe(event);
}

bool WorkerKeeper::told_to_end() const noexcept {
    return machine_.state() == State::kStopping || machine_.state() == State::kRestarting;
}

void WorkerKeeper::check() {
    if (life_ && life_->check(told_to_end()) && machine_.state() == State::kStarting) {
        disarm();  // whatever is left of it, it is not late any more
    }
}

void WorkerKeeper::settle() {
    auto end = ending() ? life_->settle(told_to_end()) : std::nullopt;
    if (end) {
        last_end_ = std::move(*end);
        life_.reset();
        observe(last_end_.event);
    }
}

void WorkerKeeper::watch_start() {
    // As after the start: who gives no sign for that long does not wait, it hangs.
    const auto patience =
        settings_.heartbeat_limit == 0ms ? kBeatPatience : settings_.heartbeat_limit;
    waits_ = machine_.state() == State::kStarting && life_ && life_->waits(patience) &&
             surroundings_.others_missing(index_);
}

void WorkerKeeper::watch() {
    if (machine_.state() == State::kStarting && life_) {
        life_->look_for_readiness();
    }
    if (machine_.state() != State::kRunning || pid() < 0) {
        return;
    }
    switch (life_->watch(settings_.heartbeat_limit)) {
        case HangWatch::Verdict::kAlive:
            break;
        case HangWatch::Verdict::kRecovered:
            log_recovered(index_, pid());
            break;
        case HangWatch::Verdict::kSilent:
            log_slow(index_, pid(), life_->silence(), life_->doing(life_->sight()),
                     settings_.heartbeat_limit);
            break;
        case HangWatch::Verdict::kHung:
            on_hung();
            break;
    }
}

void WorkerKeeper::on_hung() {
    const auto seen = life_->sight();
    if (seen && seen->tracer != 0 && seen->tracer != ::getpid()) {
        life_->excuse();  // somebody looks into it with a debugger
        return;
    }
    ++hangs_;
    log_hung(index_, pid(), life_->silence(), life_->doing(seen), settings_.stop_grace);
    observe(Event::kHung);
}

void WorkerKeeper::record_end(log::Level level, std::string consequence, Clock::duration backoff) {
    last_end_.certificate.consequence = std::move(consequence);
    log_certificate(last_end_.certificate, level, backoff);
    deaths_.add(last_end_.certificate);
}

void WorkerKeeper::report_exec_failure() {
    Certificate& certificate = last_end_.certificate;
    log_exec_failure(index_, certificate.pid, last_end_.not_executed,
                     surroundings_.config.group.name);
    certificate.consequence = "it stays down: " + last_end_.not_executed;
    deaths_.add(certificate);
}

std::optional<Event> WorkerKeeper::consult_policy() {
    after_death_ = true;
    const auto verdict = policy_.died(Clock::now(), last_end_.ready_for);
    if (verdict.give_up) {
        record_end(log::Level::kError, "it is given up", 0ns);
        log_given_up(index_, surroundings_.config.restart, restarts_,
                     how_it_ended(last_end_.certificate), surroundings_.config.group.name);
        return Event::kGiveUp;
    }
    const bool at_once = verdict.delay == 0ns;
    record_end(log::Level::kWarning,
               at_once ? "restarting at once"
                       : "restarting in " + describe_duration(verdict.delay) + " (" +
                             std::to_string(policy_.deaths_in_a_row()) + " deaths in a row)",
               verdict.delay);
    return restart_after(verdict.delay);
}

std::optional<Event> WorkerKeeper::retry_busy() {
    after_death_ = false;
    const auto verdict = policy_.busy();
    log_busy(index_, verdict.delay);
    return restart_after(verdict.delay);
}

std::optional<Event> WorkerKeeper::restart_after(Clock::duration delay) {
    if (delay == 0ns) {
        return Event::kBackoffElapsed;
    }
    arm(delay, Event::kBackoffElapsed);
    return std::nullopt;
}

bool WorkerKeeper::on_its_way() const noexcept {
    const State state = machine_.state();
    if (!is_active(state) || state == State::kRunning || state == State::kStopping || waits()) {
        return false;
    }
    // Once may be an accident, and what cannot be started now may be so in a moment.
    const Certificate* const death = deaths_.last_death();
    return !was_late_ && (policy_.deaths_in_a_row() < kDeathsOfTheDoomed || death == nullptr ||
                          kind_of(*death) == DeathKind::kNotStarted);
}

std::string WorkerKeeper::why_not_ready(bool look) const {
    const std::string now = look ? hindrance() : "";
    if (!now.empty()) {
        return "it " + now;
    }
    if (machine_.state() == State::kAborting) {
        return life_ ? life_->cause() : "";
    }
    if (machine_.state() == State::kBackoff && !after_death_) {
        return "another process holds its identity";
    }
    const Certificate* const death = deaths_.last_death();
    if (!troubled_ || death == nullptr) {
        return "";
    }
    if (kind_of(*death) == DeathKind::kNotStarted && !last_end_.not_executed.empty()) {
        return last_end_.not_executed;
    }
    return condemned_by_us(*death) ? death->cause : how_it_ended(*death);
}

WorkerReport WorkerKeeper::report(const ConsumerTotals& totals) const {
    const Clock::time_point now = Clock::now();
    WorkerReport report;
    report.index = index_;
    report.state = machine_.state();
    report.restarts = restarts_;
    report.ordered_restarts = ordered_restarts_;
    report.ordered_ends = deaths_.ordered();
    report.deaths = deaths_.tally();
    report.hangs = hangs_;
    report.read = totals.read;
    report.pins_held = totals.held;
    if (!deaths_.last().empty()) {
        report.last_exit = how_it_ended(deaths_.last().back());
    }
    if (pid() >= 0) {
        report.pid = pid();
        report.uptime = now - life_->launched_at();
    }
    if (report.state == State::kBackoff) {
        report.backoff_left = std::max<Clock::duration>(timer_.expiry() - now, 0ns);
    }
    if (const auto vitals = surroundings_.group.vital_signs(index_)) {
        report.incarnation = vitals->incarnation;
        report.written = vitals->written;
        if (report.state == State::kRunning && pid() >= 0 && life_->vital_signs()) {
            report.heartbeat_age = life_->silence(*vitals);
        }
    }
    if (const auto message = surroundings_.group.latest(index_)) {
        report.message_age = message->age();
    }
    return report;
}

}  // namespace shmipc::supervisor
