#include "worker_keeper.hpp"

#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>
#include <utility>

#include <shmipc/error.hpp>
#include <shmipc/units.hpp>

#include <boost/asio/buffer.hpp>

#include <sys/wait.h>

#include "reports.hpp"

namespace shmipc::supervisor {
namespace {

/// Exit code of a worker that found its identity taken (the stock worker's EX_TEMPFAIL).
constexpr int kIdentityBusyStatus = 75;

std::string reason_of(int error) {
    return std::system_category().message(error);
}

}  // namespace

WorkerKeeper::WorkerKeeper(const Surroundings& surroundings, WorkerIndex index)
    : surroundings_(surroundings),
      settings_(surroundings.config.settings_of(index)),
      index_(index),
      policy_(surroundings.config.restart, surroundings.random),
      timer_(surroundings.io) {}

void WorkerKeeper::order(Event event) {
    const State before = machine_.state();
    carry_out(event, before, machine_.order(event));
}

void WorkerKeeper::observe(Event event) {
    const State before = machine_.state();
    carry_out(event, before, machine_.observe(event, machine_.launch()));
}

void WorkerKeeper::carry_out(Event event, State before, const Step& step) {
    if (step.next != before) {
        surroundings_.on_change(index_, event, before, step.next);
    }
    for (const Action action : step.actions) {
        perform(action, event);
    }
}

void WorkerKeeper::perform(Action action, Event cause) {
    switch (action) {
        case Action::kNone:
            break;
        case Action::kLaunch:
            launch();
            break;
        case Action::kTerminate:
            send(SIGTERM);
            arm(settings_.stop_grace, Event::kGraceElapsed);
            break;
        case Action::kKill:
            kill(cause);
            break;
        case Action::kCancelTimer:
            timer_.cancel();
            break;
        case Action::kForgetDeaths:
            policy_.forget();
            break;
        case Action::kConsultPolicy:
            consult_policy();
            break;
        case Action::kRetryBusy:
            retry_busy();
            break;
        case Action::kReportDeath:
            log_certificate(last_death_, log::Level::kInfo, "it stays down", Clock::duration{0});
            break;
        case Action::kReportExecFailure:
            log_exec_failure(index_, last_death_.pid, exec_failure_);
            break;
    }
}

void WorkerKeeper::launch() {
    restarts_ += machine_.launch() > 1 ? 1U : 0U;
    launched_at_ = Clock::now();
    ready_at_.reset();
    last_death_ = {};
    const std::string& name = settings_.command.front();
    const Program program = find_program(name, surroundings_.context);
    if (!program.found) {
        fail_to_launch(name, "no such executable beside the supervisor (" +
                                 surroundings_.context.own_directory + ") or in PATH");
        return;
    }
    const auto vitals = surroundings_.group.vital_signs(index_);
    incarnation_before_ = vitals ? vitals->incarnation : 0;
    try {
        adopt(
            spawn(plan_launch(surroundings_.config, index_, program.path, surroundings_.context)));
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
    exec_ = std::move(child.exec);
    ready_.emplace(surroundings_.io, child.ready.release());
    watch_readiness();
    if (child.pidfd) {
        pidfd_.emplace(surroundings_.io, child.pidfd.release());
        pidfd_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                               if (!error) {
                                   check();
                               }
                           });
    }
    arm(settings_.start_limit, Event::kStartLimit);
}

void WorkerKeeper::watch_readiness() {
    ready_->async_read_some(
        boost::asio::buffer(ready_bytes_),
        [this, launch = machine_.launch()](const boost::system::error_code& error,
                                           std::size_t length) {
            if (launch != machine_.launch() || error == boost::asio::error::operation_aborted) {
                return;
            }
            if (error) {
                ready_.reset();  // closed without a word: the start limit judges
                return;
            }
            read_readiness(launch, length);
        });
}

void WorkerKeeper::read_readiness(std::uint64_t launch, std::size_t length) {
    const std::string_view text(ready_bytes_.data(), length);
    if (text.find('\n') == std::string_view::npos) {
        watch_readiness();
        return;
    }
    // Told, and so executed: neither pipe has anything to say any more.
    ready_.reset();
    exec_.reset();
    ready_at_ = Clock::now();
    const State before = machine_.state();
    carry_out(Event::kReady, before, machine_.observe(Event::kReady, launch));
}

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
    std::optional<int> status;
    if (asked == 0) {
        // The pid is ours until it is reaped in the next line, and so is the process group of that
        // number: what the worker left running in it would be an orphan, and might hold its
        // identity.
        ::kill(-pid_, SIGKILL);
        int word = 0;
        if (os::retry([&] { return ::waitpid(pid_, &word, WNOHANG); }) == pid_) {
            status = word;
        }
    }
    bury(status);
}

void WorkerKeeper::bury(std::optional<int> status) {
    last_death_ = certify(status);
    const std::optional<int> error = exec_ ? exec_error(exec_) : std::nullopt;
    // Forgotten before anything else happens: nobody may signal a stranger who gets this pid.
    pid_ = -1;
    pidfd_.reset();
    ready_.reset();
    exec_.reset();
    const bool busy = status && WIFEXITED(*status) && WEXITSTATUS(*status) == kIdentityBusyStatus;
    if (error) {
        exec_failure_ += ": " + reason_of(*error);
    }
    observe(error ? Event::kExecFailed : busy ? Event::kBusy : Event::kDied);
}

Certificate WorkerKeeper::certify(std::optional<int> status) const {
    Certificate certificate;
    certificate.worker = index_;
    certificate.pid = pid_;
    certificate.status = status;
    certificate.uptime = Clock::now() - launched_at_;
    certificate.restarts = restarts_;
    const auto vitals = surroundings_.group.vital_signs(index_);
    if (vitals) {
        certificate.sequence = vitals->written;
        // Otherwise it died before it attached, and what lies there was its predecessor's.
        if (vitals->incarnation != incarnation_before_) {
            certificate.incarnation = vitals->incarnation;
            certificate.held = surroundings_.group.held_by(index_);
        }
    }
    return certificate;
}

void WorkerKeeper::consult_policy() {
    const Clock::time_point now = Clock::now();
    const auto verdict = policy_.died(now, ready_at_ ? now - *ready_at_ : Clock::duration{0});
    if (verdict.give_up) {
        log_certificate(last_death_, log::Level::kError, "it is given up", Clock::duration{0});
        log_given_up(index_, surroundings_.config.restart, restarts_);
        observe(Event::kGiveUp);
        return;
    }
    const bool at_once = verdict.delay == Clock::duration{0};
    log_certificate(last_death_, log::Level::kWarning,
                    at_once ? "restarting at once"
                            : "restarting in " + describe_duration(verdict.delay) + " (" +
                                  std::to_string(policy_.deaths_in_a_row()) + " deaths in a row)",
                    verdict.delay);
    restart_after(verdict.delay);
}

void WorkerKeeper::retry_busy() {
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

void WorkerKeeper::send(int signal) const {
    if (pid_ < 0) {
        return;
    }
    // To the process group: a worker that is a script has the real one below it. The pid itself is
    // safe too, since only check() reaps it.
    if (::kill(-pid_, signal) != 0) {
        ::kill(pid_, signal);  // it has moved to another group
    }
}

void WorkerKeeper::kill(Event cause) const {
    if (cause == Event::kStartLimit) {
        log_killed(index_, pid_, "was not ready", settings_.start_limit);
    } else if (cause == Event::kGraceElapsed) {
        log_killed(index_, pid_, "did not end", settings_.stop_grace);
    }
    send(SIGKILL);
}

void WorkerKeeper::arm(Clock::duration delay, Event event) {
    timer_.expires_after(delay);
    timer_.async_wait(
        [this, event, launch = machine_.launch()](const boost::system::error_code& error) {
            if (!error) {
                const State before = machine_.state();
                carry_out(event, before, machine_.observe(event, launch));
            }
        });
}

void WorkerKeeper::fail_to_launch(const std::string& program, const std::string& reason) {
    exec_failure_ = program + ": " + reason;
    observe(Event::kExecFailed);
}

}  // namespace shmipc::supervisor
