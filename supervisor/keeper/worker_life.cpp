#include "worker_life.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "program_check.hpp"
#include "reports.hpp"
#include <shmipc/error.hpp>
#include <shmipc/supervision.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

using namespace std::chrono_literals;

/// What of a worker is left has been sent SIGKILL, and is waited for no longer than this.
constexpr std::chrono::seconds kMostEnding{3};
/// How often to look for what tells nobody of its end: a lock, or a process that is no child of
/// ours.
constexpr std::chrono::milliseconds kEndLook{20};
/// Longer than a worker waits for its identity (AttachOptions::identity_timeout). One that did not
/// get it, because a stranger was quicker, has ended by then.
constexpr std::chrono::seconds kStrangerPatience{3};
/// Of the processes below a worker.
constexpr std::size_t kFamilyLookedAt = 16;

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

WorkerLife::WorkerLife(const Surroundings& surroundings, WorkerIndex index, std::uint64_t restarts)
    : surroundings_(surroundings),
      index_(index),
      restarts_(restarts),
      // First of all: whatever goes wrong later, what lies there is its predecessor's.
      incarnation_before_(surroundings.group.vital_signs(index).value_or(VitalSigns{}).incarnation),
      output_(surroundings.io, index),
      end_timer_(surroundings.io) {}

void WorkerLife::begin(ChildSpec spec, const std::string& group_name,
                       std::function<bool()> is_awaited, std::function<void()> on_ready) {
    program_ = spec.program;
    os::Fd output = output_.open(group_name, spec.program);
    spec.output = output.get();
    const os::Fd group = surroundings_.kin.groups().make(index_);
    spec.group_procs = group.get();
    Child child = spawn(spec);
    output.reset();  // else the pipe would never end
    output_.begin(child.pid);
    pid_ = child.pid;
    surroundings_.kin.born(index_, pid_);
    exec_ = std::move(child.exec);
    readiness_ = std::make_shared<Readiness>(
        surroundings_.io, std::move(child.ready),
        [this, is_awaited = std::move(is_awaited)] { return is_awaited() && says_ready(); },
        [this, on_ready = std::move(on_ready)](Readiness::ToldBy how) {
            if (how == Readiness::ToldBy::kPipe) {
                exec_.reset();  // told, and so executed
            }
            if (!ready_at_) {
                ready_at_ = Clock::now();
                hang_.begin(*ready_at_);
                on_ready();
            }
        });
    readiness_->begin();
    if (child.pidfd) {
        pidfd_.emplace(surroundings_.io, child.pidfd.release());
        pidfd_->async_wait(
            boost::asio::posix::stream_descriptor::wait_read,
            [&check_soon = surroundings_.check_soon](const boost::system::error_code& error) {
                if (!error) {
                    check_soon();
                }
            });
    }
}

LifeEnd WorkerLife::unborn(Event event, std::string not_executed) const {
    return {.event = event,
            .certificate = certify(std::nullopt, true),
            .not_executed = std::move(not_executed),
            .left_behind = {}};
}

std::optional<VitalSigns> WorkerLife::vital_signs() const {
    auto vitals = surroundings_.group.vital_signs(index_);
    // Otherwise these are its predecessor's signs: it has not attached yet, or never will.
    if (vitals && vitals->incarnation == incarnation_before_) {
        vitals.reset();
    }
    return vitals;
}

pid_t WorkerLife::real_pid() const {
    // A worker that is a script has it below the shell that we started. What it says of its pid is
    // believed only of one that came from the process that we started.
    const auto vitals = pid() < 0 ? std::nullopt : vital_signs();
    const auto told = vitals ? static_cast<pid_t>(vitals->pid) : 0;
    return told > 0 && told != pid() && surroundings_.kin.belongs(index_, told) ? told : pid();
}

bool WorkerLife::says_ready() const {
    const auto first = pid() < 0 ? std::nullopt : vital_signs();
    if (!first || first->state != layout::WorkerState::kReady) {
        return false;
    }
    // Once more: one look may have met the new incarnation and still the old one's state.
    const auto vitals = vital_signs();
    if (!vitals || vitals->incarnation != first->incarnation ||
        vitals->state != layout::WorkerState::kReady) {
        return false;
    }
    // Not necessarily our process: another one may have taken the identity, and ours is about to
    // end because of that. Of a process that cannot be known by its pid, since it has a pid
    // namespace of its own, time must tell.
    const auto told = static_cast<pid_t>(vitals->pid);
    return told == pid() || (told > 0 && surroundings_.kin.belongs(index_, told)) ||
           Clock::now() - launched_at_ >= kStrangerPatience;
}

void WorkerLife::look_for_readiness() const {
    if (readiness_) {
        readiness_->look();
    }
}

bool WorkerLife::waits(std::chrono::milliseconds patience) {
    const auto vitals = pid() < 0 ? std::nullopt : vital_signs();
    if (!vitals || vitals->state != layout::WorkerState::kAttached) {
        return false;
    }
    const Clock::time_point now = Clock::now();
    if (start_beat_ != vitals->heartbeat) {
        start_beat_ = vitals->heartbeat;
        start_beat_at_ = now;
    }
    return now - start_beat_at_ < patience;
}

HangWatch::Verdict WorkerLife::watch(std::chrono::milliseconds limit) {
    const Clock::time_point now = Clock::now();
    const auto vitals = vital_signs();
    if (!vitals) {
        hang_.excuse(now);  // a program that is no member gives no signs; its death is all we know
        return HangWatch::Verdict::kAlive;
    }
    // Its reads cost a look at every channel: only when nothing else has changed.
    if (silence(*vitals) != 0ns) {
        last_read_ = surroundings_.group.read_by(index_);
    }
    const auto verdict = hang_.look(
        now, {.heartbeat = vitals->heartbeat, .written = vitals->written, .read = last_read_},
        limit);
    if (hang_.silence() == 0ns) {
        cpu_when_silent_.reset();
    } else if (!cpu_when_silent_) {
        const auto seen = sight();
        cpu_when_silent_ = seen ? seen->cpu : 0ns;
    }
    return verdict;
}

WorkerLife::Clock::duration WorkerLife::silence(const VitalSigns& vitals) const noexcept {
    return hang_.silence(
        Clock::now(),
        {.heartbeat = vitals.heartbeat, .written = vitals.written, .read = last_read_});
}

std::string WorkerLife::doing(const std::optional<ProcessSight>& sight) const {
    if (!sight) {
        return ::access("/proc/self/stat", F_OK) == 0
                   ? "is gone"
                   : "cannot be looked at, for there is no /proc here";
    }
    return describe_silence(*sight, sight->cpu - cpu_when_silent_.value_or(sight->cpu),
                            hang_.silence());
}

std::string WorkerLife::hindrance() const {
    if (pid() < 0) {
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

bool WorkerLife::waits_for_core(std::chrono::milliseconds limit) {
    const auto seen = sight();
    if (!seen || !seen->core_dumping) {
        return false;
    }
    const Clock::time_point now = Clock::now();
    if (!core_since_) {
        core_since_ = now;
        log_core(index_, pid_, limit);
    }
    return now - *core_since_ < limit;
}

void WorkerLife::send(int signal) const {
    if (pid() < 0) {
        return;
    }
    // To the process group: a worker that is a script has the real one below it. The pid itself is
    // safe too, since only check() reaps it.
    const pid_t real = real_pid();
    ::kill(-pid_, signal);
    // Either may have moved to another group, and have left somebody in the first.
    if (::getpgid(pid_) != pid_) {
        ::kill(pid_, signal);
    }
    if (real != pid_ && ::getpgid(real) != pid_) {
        ::kill(real, signal);
    }
}

void WorkerLife::signal_by_order(int signal) {
    ordered_signal_ = signal;
    send(signal);
}

void WorkerLife::end_by_order(const std::string& cause) {
    told_to_end_ = !condemned_;
    cause_ = condemned_ ? cause_ : cause;
}

void WorkerLife::condemn(std::string cause) {
    condemned_ = true;
    cause_ = std::move(cause);
}

void WorkerLife::terminate() const {
    // One that is stopped could not obey. First: after SIGTERM it would meet a worker that is
    // ending already, and take away the SIGSTOP with which a debugger, or LeakSanitizer at exit,
    // has just attached to it; either would wait for that for ever.
    send(SIGCONT);
    send(SIGTERM);
}

void WorkerLife::abort() const {
    if (pid() < 0) {
        return;  // −1 would be everybody
    }
    // Not to the whole group: a shell that leads it would die at once, and what a dead leader
    // leaves in its group is killed, in the middle of its core.
    ::kill(real_pid(), SIGABRT);
    send(SIGCONT);  // one that is stopped would not get it
}

void WorkerLife::kill() {
    killed_ = true;
    send(SIGKILL);
    if (reaped()) {
        surroundings_.check_soon();
    }
}

bool WorkerLife::check(bool told_to_end) {
    if (pid() < 0) {
        return false;
    }
    siginfo_t info{};
    const int asked = os::retry([&] {
        return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
    });
    if (asked == 0 && info.si_pid == 0) {
        return false;
    }
    if (asked == 0 && info.si_code != CLD_EXITED && info.si_code != CLD_KILLED &&
        info.si_code != CLD_DUMPED) {
        // Not dead: it has made us its tracer, and stands at a signal until we say more.
        let_go(pid_, info.si_status);
        return false;
    }
    note_real_process();
    std::optional<int> status;
    if (asked == 0) {
        // The pid is ours until it is reaped in the next lines, and so is the process group of that
        // number: what the worker left running in it would be an orphan, and might hold its
        // identity.
        if (!finishes_in_peace(told_to_end)) {
            ::kill(-pid_, SIGKILL);
        }
        int word = 0;
        if (os::retry([&] { return ::waitpid(pid_, &word, WNOHANG); }) == pid_) {
            status = word;
        }
    }
    bury(status);
    return true;
}

void WorkerLife::note_real_process() {
    const auto vitals = vital_signs();
    const auto told = vitals ? static_cast<pid_t>(vitals->pid) : 0;
    if (told > 0 && told != pid_ && surroundings_.kin.belongs(index_, told)) {
        const auto place = place_of(told);
        real_ = place ? told : -1;
        real_started_ = place ? place->started : 0;
    }
}

void WorkerLife::bury(std::optional<int> status) {
    const int error = exec_ ? exec_error(exec_).value_or(0) : 0;
    const bool executed = error == 0;
    LifeEnd end{.certificate = certify(status, executed), .not_executed = {}, .left_behind = {}};
    ended_at_ = Clock::now();
    end.ready_for = ready_at_ ? ended_at_ - *ready_at_ : 0ns;
    if (!executed) {
        // The kernel says of a script that it is not there when its interpreter is not.
        const std::string why = is_passing(error) ? "" : why_not_executable(program_);
        end.not_executed = program_ + ": " + (why.empty() ? reason_of(error) : why);
        if (is_passing(error)) {
            log_exec_refused(index_, pid_, end.not_executed);
        }
    }
    if (!executed && !is_passing(error)) {
        end.event = Event::kExecFailed;
    } else if (status && WIFEXITED(*status) &&
               WEXITSTATUS(*status) == supervision::kIdentityBusyStatus) {
        end.event = Event::kBusy;
    }
    // Reaped from here on: nobody may signal a stranger who gets this pid.
    end_ = std::move(end);
    surroundings_.kin.buried(index_);
    pidfd_.reset();
    readiness_.reset();
    exec_.reset();
}

bool WorkerLife::finishes_in_peace(bool told_to_end) const {
    // The process that we started was a wrapper that died of SIGTERM; the real one was told too,
    // and has the rest of the grace time.
    if (killed_ || real_ < 0 || !told_to_end) {
        return false;
    }
    const auto place = place_of(real_);
    const auto sight = place ? look_at(real_) : std::nullopt;
    return place && place->started == real_started_ && sight && sight->state != 'Z';
}

std::string WorkerLife::what_is_left() {
    Kin& kin = surroundings_.kin;
    if (kin.end(index_) > 0) {
        const std::vector<pid_t> left = kin.left_of(index_);
        // One that has just ended by itself, and is not reaped yet, was not left.
        const auto lives = [](pid_t pid) {
            return look_at(pid).value_or(ProcessSight{}).state != 'Z';
        };
        const auto processes = std::count_if(left.begin(), left.end(), lives);
        if (processes > 0 && !std::exchange(told_left_, true)) {
            log_left(index_, pid_, static_cast<std::size_t>(processes));
        }
        return describe_left(left);
    }
    // Who told that the identity is taken was not its holder, and neither was one that never
    // attached.
    const auto vitals = vital_signs();
    if (end_->event == Event::kBusy || !vitals || !surroundings_.group.running(index_)) {
        return {};
    }
    return "its identity is still held, last by pid " + std::to_string(vitals->pid);
}

std::optional<LifeEnd> WorkerLife::settle(bool told_to_end) {
    const bool peace = finishes_in_peace(told_to_end);
    std::string left = peace ? "" : what_is_left();
    if (peace || !left.empty()) {
        const Clock::time_point now = Clock::now();
        if (peace) {
            ended_at_ = now;
        }
        if (now - ended_at_ < kMostEnding) {
            end_timer_.expires_after(kEndLook);
            end_timer_.async_wait(
                [&check_soon = surroundings_.check_soon](const boost::system::error_code& error) {
                    if (!error) {
                        check_soon();
                    }
                });
            return std::nullopt;
        }
        log_left_behind(index_, pid_, left);
        end_->left_behind = std::move(left);
    }
    // Its last words come before its obituary, and stand in it. Not before nobody of its is left:
    // one that ends in peace writes, too.
    output_.finish();
    if (!end_->certificate.ordered) {  // of an ordered end they tell nothing
        end_->certificate.last_output = output_.last();
    }
    surroundings_.kin.groups().remove(index_);
    return std::move(end_);
}

Certificate WorkerLife::certify(std::optional<int> status, bool executed) const {
    Certificate certificate;
    certificate.worker = index_;
    certificate.pid = pid_;
    certificate.status = status;
    certificate.executed = executed;
    certificate.time = std::chrono::system_clock::now();
    certificate.order = Clock::now();
    certificate.cause = cause_;
    certificate.ordered = told_to_end_ && obeyed(status);
    if (status && WIFSIGNALED(*status)) {
        const int signal = WTERMSIG(*status);
        if (cause_.empty() && signal == ordered_signal_) {
            certificate.cause = kSentByOrder;
        }
        certificate.out_of_memory = signal == SIGKILL && !killed_ && ordered_signal_ != SIGKILL &&
                                    surroundings_.oom.claim();
    }
    certificate.uptime = Clock::now() - launched_at_;
    certificate.restarts = restarts_;
    if (const auto vitals = surroundings_.group.vital_signs(index_)) {
        certificate.sequence = vitals->written;
        // Otherwise it died before it attached, and what lies there was its predecessor's.
        if (vitals->incarnation != incarnation_before_) {
            certificate.incarnation = vitals->incarnation;
            note_held(certificate, surroundings_.group.held_by(index_));
        }
    }
    return certificate;
}

}  // namespace shmipc::supervisor
