// The part of WorkerKeeper that deals with a death: reaps, certifies, asks the policy what follows.
#include "base/log.hpp"
#include "base/os.hpp"
#include "base/units.hpp"
#include "program_check.hpp"
#include "reports.hpp"
#include "worker_keeper.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/wait.h>

namespace shmipc::supervisor {
namespace {

/// Exit code of a worker that found its identity taken (the stock worker's EX_TEMPFAIL).
constexpr int kIdentityBusyStatus = 75;
/// What of a worker is left has been sent SIGKILL, and is waited for no longer than this.
constexpr std::chrono::seconds kMostEnding{3};
/// How often to look for what tells nobody of its end: a lock, or a process that is no child of
/// ours.
constexpr std::chrono::milliseconds kEndLook{20};

std::string reason_of(int error) {
    return std::system_category().message(error);
}

/// Whether exec failed for want of something that may be there again soon: descriptors, memory, or
/// a program that is just being replaced. The others are mistakes in the command.
bool is_passing(int error) noexcept {
    return error == EAGAIN || error == EMFILE || error == ENFILE || error == ENOMEM ||
           error == ETXTBSY;
}

}  // namespace

void WorkerKeeper::check() {
    if (pid_ < 0) {
        return;
    }
    siginfo_t info{};
    const auto known = static_cast<id_t>(pid_);
    const int asked =
        os::retry([&] { return ::waitid(P_PID, known, &info, WEXITED | WNOHANG | WNOWAIT); });
    if (asked == 0 && info.si_pid == 0) {
        return;
    }
    if (asked == 0 && info.si_code != CLD_EXITED && info.si_code != CLD_KILLED &&
        info.si_code != CLD_DUMPED) {
        // Not dead: it has made us its tracer, and stands at a signal until we say more.
        let_go(pid_, info.si_status);
        return;
    }
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (vitals && attached(*vitals)) {
        const auto told = static_cast<pid_t>(vitals->pid);
        if (told > 0 && told != pid_ && surroundings_.kin.belongs(index_, told)) {
            const auto place = place_of(told);
            real_ = place ? told : -1;
            real_started_ = place ? place->started : 0;
        }
    }
    std::optional<int> status;
    if (asked == 0) {
        // The pid is ours until it is reaped in the next lines, and so is the process group of that
        // number: what the worker left running in it would be an orphan, and might hold its
        // identity.
        if (!finishes_in_peace()) {
            ::kill(-pid_, SIGKILL);
        }
        int word = 0;
        if (os::retry([&] { return ::waitpid(pid_, &word, WNOHANG); }) == pid_) {
            status = word;
        }
    }
    bury(status);
}

void WorkerKeeper::bury(std::optional<int> status) {
    const int error = exec_ ? exec_error(exec_).value_or(0) : 0;
    executed_ = error == 0;
    last_death_ = certify(status);
    // Forgotten before anything else happens: nobody may signal a stranger who gets this pid.
    pid_ = -1;
    surroundings_.kin.buried(index_);
    if (machine_.state() == State::kStarting) {
        ++armed_;
        timer_.cancel();  // whatever is left of it, it is not late any more
    }
    pidfd_.reset();
    ready_.reset();
    exec_.reset();
    const bool busy = status && WIFEXITED(*status) && WEXITSTATUS(*status) == kIdentityBusyStatus;
    if (!executed_) {
        // The kernel says of a script that it is not there when its interpreter is not.
        const std::string why = is_passing(error) ? "" : why_not_executable(exec_failure_);
        exec_failure_ += ": " + (why.empty() ? reason_of(error) : why);
    }
    ended_at_ = Clock::now();
    if (!executed_ && !is_passing(error)) {
        ended_ = Event::kExecFailed;
        return;
    }
    if (!executed_) {
        log_exec_refused(index_, last_death_.pid, exec_failure_);
    }
    ended_ = busy ? Event::kBusy : Event::kDied;
}

bool WorkerKeeper::finishes_in_peace() const {
    // The process that we started was a wrapper that died of SIGTERM; the real one was told too,
    // and has the rest of the grace time.
    const State state = machine_.state();
    if (killed_by_us_ || real_ < 0 || (state != State::kStopping && state != State::kRestarting)) {
        return false;
    }
    const auto place = place_of(real_);
    const auto sight = place ? look_at(real_) : std::nullopt;
    return place && place->started == real_started_ && sight && sight->state != 'Z';
}

std::string WorkerKeeper::what_is_left() {
    Kin& kin = surroundings_.kin;
    if (kin.end(index_) > 0) {
        const std::vector<pid_t> left = kin.left_of(index_);
        // One that has just ended by itself, and is not reaped yet, was not left.
        const auto lives = [](pid_t pid) {
            return look_at(pid).value_or(ProcessSight{}).state != 'Z';
        };
        const auto processes = std::count_if(left.begin(), left.end(), lives);
        if (processes > 0 && !std::exchange(told_left_, true)) {
            log_left(index_, last_death_.pid, static_cast<std::size_t>(processes));
        }
        return describe_left(left);
    }
    // Who told that the identity is taken was not its holder, and neither was one that never
    // attached.
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (ended_ == Event::kBusy || !vitals || vitals->incarnation == incarnation_before_ ||
        !surroundings_.group.running(index_)) {
        return {};
    }
    return "its identity is still held, last by pid " + std::to_string(vitals->pid);
}

void WorkerKeeper::settle() {
    if (!ended_) {
        return;
    }
    const bool peace = finishes_in_peace();
    std::string left = peace ? "" : what_is_left();
    if (peace || !left.empty()) {
        if (peace) {
            ended_at_ = Clock::now();
        }
        if (Clock::now() - ended_at_ < kMostEnding) {
            end_timer_.expires_after(kEndLook);
            end_timer_.async_wait([this](const boost::system::error_code& error) {
                if (!error) {
                    surroundings_.check_soon();
                }
            });
            return;
        }
        log_left_behind(index_, last_death_.pid, left);
        left_behind_ = std::move(left);
    }
    end_timer_.cancel();
    // Its last words come before its obituary, and stand in it. Not before nobody of its is left:
    // one that ends in peace writes, too.
    output_.finish();
    if (!last_death_.ordered) {  // of an ordered end they tell nothing
        last_death_.last_output = output_.last();
    }
    surroundings_.kin.groups().remove(index_);
    observe(*std::exchange(ended_, std::nullopt));
}

Certificate WorkerKeeper::certify(std::optional<int> status) const {
    Certificate certificate;
    certificate.worker = index_;
    certificate.pid = pid_;
    certificate.status = status;
    certificate.executed = executed_;
    certificate.time = std::chrono::system_clock::now();
    certificate.order = Clock::now();
    certificate.cause = cause_;
    certificate.ordered = told_to_end_ && obeyed(status);
    if (status && WIFSIGNALED(*status)) {
        const int signal = WTERMSIG(*status);
        if (cause_.empty() && signal == ordered_signal_) {
            certificate.cause = kSentByOrder;
        }
        certificate.out_of_memory = signal == SIGKILL && !killed_by_us_ &&
                                    ordered_signal_ != SIGKILL && surroundings_.oom.claim();
    }
    certificate.uptime = Clock::now() - launched_at_;
    certificate.restarts = restarts_;
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (vitals) {
        certificate.sequence = vitals->written;
        // Otherwise it died before it attached, and what lies there was its predecessor's.
        if (vitals->incarnation != incarnation_before_) {
            certificate.incarnation = vitals->incarnation;
            note_held(certificate, surroundings_.group.held_by(index_));
        }
    }
    return certificate;
}

void WorkerKeeper::record_death(log::Level level, std::string consequence,
                                Clock::duration backoff) {
    last_death_.consequence = std::move(consequence);
    log_certificate(last_death_, level, backoff);
    deaths_.add(last_death_);
}

void WorkerKeeper::report_exec_failure() {
    log_exec_failure(index_, last_death_.pid, exec_failure_, surroundings_.config.group.name);
    last_death_.consequence = "it stays down: " + exec_failure_;
    deaths_.add(last_death_);
}

void WorkerKeeper::consult_policy() {
    after_death_ = true;
    const Clock::time_point now = Clock::now();
    const auto verdict = policy_.died(now, ready_at_ ? now - *ready_at_ : Clock::duration{0});
    if (verdict.give_up) {
        record_death(log::Level::kError, "it is given up", Clock::duration{0});
        log_given_up(index_, surroundings_.config.restart, restarts_, how_it_ended(last_death_),
                     surroundings_.config.group.name);
        observe(Event::kGiveUp);
        return;
    }
    const bool at_once = verdict.delay == Clock::duration{0};
    record_death(log::Level::kWarning,
                 at_once ? "restarting at once"
                         : "restarting in " + describe_duration(verdict.delay) + " (" +
                               std::to_string(policy_.deaths_in_a_row()) + " deaths in a row)",
                 verdict.delay);
    restart_after(verdict.delay);
}

void WorkerKeeper::retry_busy() {
    after_death_ = false;
    const auto verdict = policy_.busy();
    log_busy(index_, verdict.delay);
    restart_after(verdict.delay);
}

void WorkerKeeper::restart_after(Clock::duration delay) {
    if (delay == Clock::duration{0}) {
        observe(Event::kBackoffElapsed);
    } else {
        arm(delay, Event::kBackoffElapsed);
    }
}

}  // namespace shmipc::supervisor
