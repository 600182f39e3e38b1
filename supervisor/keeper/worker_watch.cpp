// The part of WorkerKeeper that watches a living process: signs of life, cores, reports.
#include "base/log.hpp"
#include "base/units.hpp"
#include "reports.hpp"
#include "worker_keeper.hpp"

#include <csignal>
#include <string>

#include <unistd.h>

namespace shmipc::supervisor {

using namespace std::chrono_literals;

namespace {

/// Signs of life that a worker owes while it waits at its start, if it owes none later.
constexpr std::chrono::milliseconds kBeatPatience{30'000};
/// A worker that died this often in a row, and was never ready between, does not just need time.
constexpr std::uint32_t kDeathsOfTheDoomed = 3;
/// Of the processes below a worker.
constexpr std::size_t kFamilyLookedAt = 16;

/// Ended by its supervisor, since it hung or was not ready in time: how is of no interest then.
bool condemned_by_us(const Certificate& certificate) {
    return !certificate.cause.empty() && certificate.cause != kSentByOrder;
}

}  // namespace

bool WorkerKeeper::attached(const VitalSigns& vitals) const noexcept {
    // Otherwise these are its predecessor's signs: it has not attached yet, or never will.
    return pid_ >= 0 && vitals.incarnation != incarnation_before_;
}

pid_t WorkerKeeper::real_pid() const {
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (vitals && attached(*vitals) && vitals->pid != 0 && pid_ > 0) {
        const auto told = static_cast<pid_t>(vitals->pid);
        if (told == pid_ || (told > 0 && surroundings_.kin.belongs(index_, told))) {
            return told;
        }
    }
    return pid_;
}

std::optional<ProcessSight> WorkerKeeper::sight() const {
    return look_at(real_pid());
}

std::string WorkerKeeper::doing(const std::optional<ProcessSight>& sight) const {
    if (!sight) {
        return ::access("/proc/self/stat", F_OK) == 0
                   ? "is gone"
                   : "cannot be looked at, for there is no /proc here";
    }
    return describe_silence(*sight, sight->cpu - cpu_when_silent_.value_or(sight->cpu),
                            hang_.silence());
}

void WorkerKeeper::watch_start() {
    waits_ = false;
    if (machine_.state() != State::kStarting || pid_ < 0) {
        return;
    }
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (!vitals || !attached(*vitals) || vitals->state != layout::WorkerState::kAttached) {
        return;
    }
    const Clock::time_point now = Clock::now();
    if (start_beat_ != vitals->heartbeat) {
        start_beat_ = vitals->heartbeat;
        beat_at_ = now;
    }
    // As after the start: who gives no sign for that long does not wait, it hangs.
    const auto patience =
        settings_.heartbeat_limit == 0ms ? kBeatPatience : settings_.heartbeat_limit;
    waits_ = now - beat_at_ < patience && surroundings_.others_missing(index_);
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

std::string WorkerKeeper::hindrance() const {
    if (pid_ < 0) {
        return "";
    }
    // Of a script it may be the real worker below it.
    for (const pid_t pid : family_of(pid_, kFamilyLookedAt)) {
        const auto seen = look_at(pid);
        std::string found = seen ? describe_hindrance(*seen) : "";
        if (!found.empty()) {
            return found + (pid == pid_ ? "" : ", that is its child " + std::to_string(pid));
        }
    }
    return "";
}

std::string WorkerKeeper::why_not_ready(bool look) const {
    const std::string now = look ? hindrance() : "";
    if (!now.empty()) {
        return "it " + now;
    }
    if (machine_.state() == State::kAborting) {
        return cause_;
    }
    if (machine_.state() == State::kBackoff && !after_death_) {
        return "another process holds its identity";
    }
    const Certificate* const death = deaths_.last_death();
    if (!troubled_ || death == nullptr) {
        return "";
    }
    if (kind_of(*death) == DeathKind::kNotStarted && !exec_failure_.empty()) {
        return exec_failure_;
    }
    return condemned_by_us(*death) ? death->cause : how_it_ended(*death);
}

void WorkerKeeper::watch() {
    // One with its pipe may say it in shared memory alone too; one without is looked at more often.
    if (ready_) {
        look_for_readiness(machine_.launch());
    }
    if (machine_.state() != State::kRunning) {
        return;
    }
    const Clock::time_point now = Clock::now();
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (!vitals || !attached(*vitals)) {
        hang_.excuse(now);  // a program that is no member gives no signs; its death is all we know
        return;
    }
    LifeSigns signs{.heartbeat = vitals->heartbeat, .written = vitals->written, .read = 0};
    // Its reads cost a look at every channel: only when nothing else has changed.
    signs.read = hang_.silence(now, signs_with_last_read(signs)) == 0ns
                     ? last_read_
                     : surroundings_.group.read_by(index_);
    last_read_ = signs.read;
    const auto verdict = hang_.look(now, signs, settings_.heartbeat_limit);
    if (hang_.silence() == 0ns) {
        cpu_when_silent_.reset();
    } else if (!cpu_when_silent_) {
        const auto seen = sight();
        cpu_when_silent_ = seen ? seen->cpu : 0ns;
    }
    switch (verdict) {
        case HangWatch::Verdict::kAlive:
            break;
        case HangWatch::Verdict::kRecovered:
            log_recovered(index_, pid_);
            break;
        case HangWatch::Verdict::kSilent:
            log_slow(index_, pid_, hang_.silence(), doing(sight()), settings_.heartbeat_limit);
            break;
        case HangWatch::Verdict::kHung:
            on_hung(now);
            break;
    }
}

LifeSigns WorkerKeeper::signs_with_last_read(LifeSigns signs) const noexcept {
    signs.read = last_read_;
    return signs;
}

void WorkerKeeper::on_hung(Clock::time_point now) {
    const auto seen = sight();
    if (seen && seen->tracer != 0 && seen->tracer != ::getpid()) {
        hang_.excuse(now);  // somebody looks into it with a debugger
        return;
    }
    ++hangs_;
    log_hung(index_, pid_, hang_.silence(), doing(seen), settings_.stop_grace);
    observe(Event::kHung);
}

void WorkerKeeper::abort_hung() {
    condemned_ = true;
    cause_ = "it hung";
    // Not to the whole group: a shell that leads it would die at once, and what a dead leader
    // leaves in its group is killed, in the middle of its core.
    ::kill(real_pid(), SIGABRT);
    send(SIGCONT);  // one that is stopped would not get it
    arm(settings_.stop_grace, Event::kGraceElapsed);
}

bool WorkerKeeper::waits_for_core() {
    const auto seen = sight();
    if (!seen || !seen->core_dumping) {
        return false;
    }
    const Clock::time_point now = Clock::now();
    if (!core_since_) {
        core_since_ = now;
        log_core(index_, pid_, settings_.core_limit);
    }
    return now - *core_since_ < settings_.core_limit;
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
    if (pid_ >= 0) {
        report.pid = pid_;
        report.uptime = now - launched_at_;
    }
    if (report.state == State::kBackoff) {
        report.backoff_left = std::max<Clock::duration>(timer_.expiry() - now, 0ns);
    }
    if (const auto vitals = surroundings_.group.vital_signs(index_)) {
        report.incarnation = vitals->incarnation;
        report.written = vitals->written;
        if (report.state == State::kRunning && attached(*vitals)) {
            report.heartbeat_age = hang_.silence(
                now, signs_with_last_read(
                         {.heartbeat = vitals->heartbeat, .written = vitals->written, .read = 0}));
        }
    }
    if (const auto message = surroundings_.group.latest(index_)) {
        report.message_age = message->age();
    }
    return report;
}

}  // namespace shmipc::supervisor
