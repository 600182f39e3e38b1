#include "worker_keeper.hpp"

#include "base/units.hpp"
#include "reports.hpp"
#include "shared/text.hpp"
#include <shmipc/error.hpp>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// How often to look whether the kernel still writes a worker's core.
constexpr std::chrono::milliseconds kCoreLook{100};
/// How often to look whether one that waited beyond its start limit still does.
constexpr std::chrono::milliseconds kWaitLook{1'000};

}  // namespace

WorkerKeeper::WorkerKeeper(const Surroundings& surroundings, WorkerIndex index)
    : surroundings_(surroundings),
      settings_(surroundings.config.settings_of(index)),
      index_(index),
      policy_(surroundings.config.restart, surroundings.random),
      timer_(surroundings.io),
      ready_timer_(surroundings.io),
      end_timer_(surroundings.io),
      output_(surroundings.io, index) {}

void WorkerKeeper::order(Event event) {
    const State before = machine_.state();
    carry_out(event, before, machine_.order(event));
}

bool WorkerKeeper::signal(int signal) {
    if (pid_ < 0) {
        return false;
    }
    ordered_signal_ = signal;
    log_signalled(index_, pid_, signal);
    send(signal);
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
    const State before = machine_.state();
    carry_out(event, before, machine_.observe(event, machine_.launch()));
}

void WorkerKeeper::carry_out(Event event, State before, const Step& step) {
    note_state(before, step.next, event);
    if (step.next != before) {
        surroundings_.on_change(index_, event, before, step.next);
    }
    for (const Action action : step.actions) {
        perform(action, event);
    }
}

void WorkerKeeper::note_state(State before, State after, Event event) {
    switch (after) {
        case State::kRunning:
            if (before != State::kRunning && machine_.launch() > 1) {
                log_ready_again(index_, pid_, restarts_);
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

void WorkerKeeper::perform(Action action, Event cause) {
    switch (action) {
        case Action::kNone:
            break;
        case Action::kLaunch:
            launch(cause);
            break;
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
            ++armed_;
            timer_.cancel();
            break;
        case Action::kForgetDeaths:
            policy_.forget();
            was_late_ = false;
            break;
        case Action::kConsultPolicy:
            consult_policy();
            break;
        case Action::kRetryBusy:
            retry_busy();
            break;
        case Action::kReportDeath:
            record_death(
                last_death_.ordered ? log::Level::kInfo : log::Level::kWarning,
                machine_.state() == State::kStopped ? "it stays down" : "starting it again",
                Clock::duration{0});
            break;
        case Action::kReportExecFailure:
            report_exec_failure();
            break;
    }
}

void WorkerKeeper::launch(Event cause) {
    if (machine_.launch() > 1 && cause != Event::kBackoffElapsed) {
        ++ordered_restarts_;
    } else if (std::exchange(after_death_, false)) {
        ++restarts_;
    }
    after_death_ = false;
    launched_at_ = Clock::now();
    ready_at_.reset();
    last_death_ = {};
    cause_.clear();
    ordered_signal_ = 0;
    killed_by_us_ = false;
    told_to_end_ = false;
    condemned_ = false;
    executed_ = true;
    core_since_.reset();
    real_ = -1;
    told_left_ = false;
    left_behind_.clear();
    before_ready_ = 0;
    waits_ = false;
    excused_ = false;
    start_beat_.reset();
    // First of all: whatever goes wrong below, what lies there is its predecessor's.
    const auto vitals = surroundings_.group.vital_signs(index_);
    incarnation_before_ = vitals ? vitals->incarnation : 0;
    const std::string name = program_name(surroundings_.config, index_, settings_);
    const Program program = find_program(name, surroundings_.context);
    if (!program.found) {
        fail_to_launch(not_found(name, surroundings_.context));
        return;
    }
    try {
        ChildSpec spec = plan_launch(surroundings_.config, index_, settings_, program.path,
                                     surroundings_.context);
        os::Fd output = output_.open(surroundings_.config.group.name, spec.program);
        spec.output = output.get();
        const os::Fd group = surroundings_.kin.groups().make(index_);
        spec.group_procs = group.get();
        Child child = spawn(spec);
        output.reset();  // else the pipe would never end
        output_.begin(child.pid);
        adopt(std::move(child));
    } catch (const Error& error) {
        // The system is short of something: no different from a worker that dies at once, and
        // tried again as rarely.
        log_fork_failure(index_, error);
        last_death_ = certify(std::nullopt);
        observe(Event::kDied);
        return;
    }
    exec_failure_ = program.path;
    log_started(index_, pid_, restarts_);
}

void WorkerKeeper::adopt(Child child) {
    pid_ = child.pid;
    surroundings_.kin.born(index_, pid_);
    exec_ = std::move(child.exec);
    ready_.emplace(surroundings_.io, child.ready.release());
    watch_readiness();
    if (child.pidfd) {
        pidfd_.emplace(surroundings_.io, child.pidfd.release());
        pidfd_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                               if (!error) {
                                   surroundings_.check_soon();
                               }
                           });
    }
    arm(settings_.start_limit, Event::kStartLimit);
}

void WorkerKeeper::send(int signal) const {
    if (pid_ < 0) {
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

void WorkerKeeper::terminate(Event cause) {
    told_to_end_ = true;
    cause_ = cause == Event::kRestart ? "restarted by order" : "stopped by order";
    // One that is stopped could not obey. First: after SIGTERM it would meet a worker that is
    // ending already, and take away the SIGSTOP with which a debugger, or LeakSanitizer at exit,
    // has just attached to it; either would wait for that for ever.
    send(SIGCONT);
    send(SIGTERM);
    arm(settings_.stop_grace, Event::kGraceElapsed);
}

void WorkerKeeper::kill(Event cause) {
    const pid_t pid = pid_ >= 0 ? pid_ : last_death_.pid;  // what it has left may be what is killed
    if (cause == Event::kStartLimit) {
        const std::string doing = hindrance();
        log_killed(index_, pid, "was not ready", settings_.start_limit, doing);
        condemned_ = true;
        cause_ = "it was not ready within " + to_text(settings_.start_limit) +
                 (doing.empty() ? "" : ": it " + doing);
    } else if (cause == Event::kGraceElapsed) {
        log_killed(index_, pid, "did not end", settings_.stop_grace, "");
        cause_ += ", and did not end within " + to_text(settings_.stop_grace);
    } else {
        // One that we kill already, because it hangs or was not ready in time, dies of that.
        told_to_end_ = !condemned_;
        cause_ = condemned_ ? cause_ : "stopped by order";
    }
    killed_by_us_ = true;
    send(SIGKILL);
    if (ended_) {
        surroundings_.check_soon();
    }
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

void WorkerKeeper::on_timer(Event event) {
    const bool would_kill = event == Event::kGraceElapsed || event == Event::kStartLimit;
    if (would_kill && waits_for_core()) {
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

void WorkerKeeper::fail_to_launch(const std::string& failure) {
    exec_failure_ = failure;
    last_death_ = certify(std::nullopt);
    observe(Event::kExecFailed);
}

}  // namespace shmipc::supervisor
