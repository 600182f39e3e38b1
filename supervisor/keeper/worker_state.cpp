#include "worker_state.hpp"

namespace shmipc::supervisor {
namespace {

constexpr Step stay(State state) noexcept {
    return {state, {}};
}

constexpr Step go(State next, Action first = Action::kNone,
                  Action second = Action::kNone) noexcept {
    return {next, {first, second}};
}

Step when_down(State state, Event event) noexcept {
    switch (event) {
        case Event::kStart:
        case Event::kRestart:
        case Event::kToggle:
            return go(State::kStarting, Action::kForgetDeaths, Action::kLaunch);
        case Event::kStop:
        case Event::kKill:
            return stay(State::kStopped);  // also what had failed is down by order now
        default:
            return stay(state);
    }
}

Step when_starting(Event event) noexcept {
    switch (event) {
        case Event::kStop:
            return go(State::kStopping, Action::kTerminate);
        case Event::kRestart:
            return go(State::kRestarting, Action::kForgetDeaths, Action::kTerminate);
        case Event::kKill:
        case Event::kToggle:
            return go(State::kStopping, Action::kCancelTimer, Action::kKill);
        case Event::kReady:
            return go(State::kRunning, Action::kCancelTimer);
        case Event::kDied:
            return go(State::kBackoff, Action::kCancelTimer, Action::kConsultPolicy);
        case Event::kBusy:
            return go(State::kBackoff, Action::kCancelTimer, Action::kRetryBusy);
        case Event::kExecFailed:
            return go(State::kFailed, Action::kCancelTimer, Action::kReportExecFailure);
        case Event::kStartLimit:
            return go(State::kAborting, Action::kKill);
        default:
            return stay(State::kStarting);
    }
}

Step when_running(Event event) noexcept {
    switch (event) {
        case Event::kStop:
            return go(State::kStopping, Action::kTerminate);
        case Event::kRestart:
            return go(State::kRestarting, Action::kForgetDeaths, Action::kTerminate);
        case Event::kKill:
        case Event::kToggle:
            return go(State::kStopping, Action::kKill);
        case Event::kHung:
            return go(State::kAborting, Action::kAbort);
        case Event::kDied:
        case Event::kBusy:  // who has been ready had the identity: the exit code means something
                            // else
            return go(State::kBackoff, Action::kConsultPolicy);
        case Event::kExecFailed:
            return go(State::kFailed, Action::kReportExecFailure);
        default:
            return stay(State::kRunning);
    }
}

Step when_in_backoff(Event event) noexcept {
    switch (event) {
        case Event::kStart:
        case Event::kRestart:
            return go(State::kStarting, Action::kForgetDeaths, Action::kLaunch);
        case Event::kStop:
        case Event::kKill:
        case Event::kToggle:
            return go(State::kStopped, Action::kCancelTimer);
        case Event::kBackoffElapsed:
            return go(State::kStarting, Action::kLaunch);
        case Event::kGiveUp:
            return go(State::kFailed, Action::kCancelTimer);
        default:
            return stay(State::kBackoff);
    }
}

Step when_stopping(Event event) noexcept {
    switch (event) {
        case Event::kStart:
        case Event::kRestart:
        case Event::kToggle:
            return go(State::kRestarting, Action::kForgetDeaths);
        case Event::kKill:
        case Event::kGraceElapsed:
            return go(State::kStopping, Action::kKill);
        case Event::kDied:
        case Event::kBusy:
        case Event::kExecFailed:
            return go(State::kStopped, Action::kCancelTimer, Action::kReportDeath);
        default:
            return stay(State::kStopping);
    }
}

Step when_restarting(Event event) noexcept {
    switch (event) {
        case Event::kStop:  // it has been told already, and its grace time runs
            return stay(State::kStopping);
        case Event::kKill:
        case Event::kToggle:
            return go(State::kStopping, Action::kKill);
        case Event::kGraceElapsed:
            return go(State::kRestarting, Action::kKill);
        case Event::kDied:
        case Event::kBusy:
        case Event::kExecFailed:
            return go(State::kStarting, Action::kReportDeath, Action::kLaunch);
        default:
            return stay(State::kRestarting);
    }
}

Step when_aborting(Event event) noexcept {
    switch (event) {
        case Event::kStart:
        case Event::kRestart:
            return go(State::kRestarting, Action::kForgetDeaths);
        case Event::kStop:  // it is dying, and SIGTERM would not make it die more gently
            return stay(State::kStopping);
        case Event::kKill:
        case Event::kToggle:
            return go(State::kStopping, Action::kKill);
        case Event::kGraceElapsed:
            return go(State::kAborting, Action::kKill);
        case Event::kDied:
        case Event::kBusy:
            return go(State::kBackoff, Action::kCancelTimer, Action::kConsultPolicy);
        case Event::kExecFailed:
            return go(State::kFailed, Action::kCancelTimer, Action::kReportExecFailure);
        default:
            return stay(State::kAborting);
    }
}

}  // namespace

Step step(State state, Event event) noexcept {
    switch (state) {
        case State::kStopped:
        case State::kFailed:
            return when_down(state, event);
        case State::kStarting:
            return when_starting(event);
        case State::kRunning:
            return when_running(event);
        case State::kBackoff:
            return when_in_backoff(event);
        case State::kStopping:
            return when_stopping(event);
        case State::kRestarting:
            return when_restarting(event);
        case State::kAborting:
            return when_aborting(event);
    }
    return stay(state);
}

Step WorkerMachine::order(Event event) noexcept {
    return apply(event);
}

Step WorkerMachine::observe(Event event, std::uint64_t launch) noexcept {
    return launch == launch_ ? apply(event) : stay(state_);
}

Step WorkerMachine::apply(Event event) noexcept {
    const Step result = step(state_, event);
    state_ = result.next;
    for (const Action action : result.actions) {
        // Before the actions are carried out: what the new launch tells already carries its number.
        launch_ += action == Action::kLaunch ? 1U : 0U;
    }
    return result;
}

bool is_active(State state) noexcept {
    return state != State::kStopped && state != State::kFailed;
}

std::string_view name_of(State state) noexcept {
    switch (state) {
        case State::kStopped:
            return "stopped";
        case State::kStarting:
            return "starting";
        case State::kRunning:
            return "running";
        case State::kBackoff:
            return "backoff";
        case State::kStopping:
            return "stopping";
        case State::kRestarting:
            return "restarting";
        case State::kAborting:
            return "aborting";
        case State::kFailed:
            return "failed";
    }
    return "?";
}

std::string_view name_of(Event event) noexcept {
    switch (event) {
        case Event::kStart:
            return "start";
        case Event::kStop:
            return "stop";
        case Event::kRestart:
            return "restart";
        case Event::kKill:
            return "kill";
        case Event::kToggle:
            return "toggle";
        case Event::kReady:
            return "ready";
        case Event::kDied:
            return "ended";
        case Event::kBusy:
            return "busy";
        case Event::kExecFailed:
            return "exec failed";
        case Event::kHung:
            return "hung";
        case Event::kStartLimit:
            return "start limit";
        case Event::kBackoffElapsed:
            return "backoff elapsed";
        case Event::kGraceElapsed:
            return "grace elapsed";
        case Event::kGiveUp:
            return "give up";
    }
    return "?";
}

}  // namespace shmipc::supervisor
