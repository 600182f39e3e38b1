// The life of one worker as its supervisor sees it: state x event -> next state and actions.
//
// Pure: it starts nothing and waits for nothing. Its keeper (worker_keeper.hpp) turns what the
// kernel and the operator do into events, and carries the actions out. After s6-supervise's table.
//
// Each launch has a number, and what a process or a timer tells carries the number of its launch:
// what comes late, from a launch before, is dropped. An operator's orders carry none.
//
// A state says two things: what is there, and what is wanted. Stopping, Restarting and Aborting are
// the same dying process; they differ in what comes after it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shmipc::supervisor {

enum class State : std::uint8_t {
    kStopped,     ///< down, because the operator wants it so, or not started yet
    kStarting,    ///< launched, not ready yet
    kRunning,     ///< has told that it is ready
    kBackoff,     ///< dead; starts again when the delay is over
    kStopping,    ///< told to end; stays down then
    kRestarting,  ///< told to end, by order; starts again then, and no death is counted
    kAborting,    ///< being killed because it hung or was not ready in time: a death like any other
    kFailed,      ///< given up: died too often, or cannot be executed
};
inline constexpr std::size_t kStates = 8;

enum class Event : std::uint8_t {
    // Orders. They are obeyed in any state.
    kStart,
    kStop,     ///< SIGTERM first, SIGKILL after the grace time
    kRestart,  ///< as kStop, and start again; kStart for what is down
    kKill,     ///< SIGKILL, and stay down
    kToggle,   ///< kKill for what runs, starts or waits in backoff; kStart for what is down
    // What the process did.
    kReady,
    kDied,
    kBusy,        ///< it ended because another process holds the worker's identity
    kExecFailed,  ///< it never became the worker's program
    kHung,        ///< it has given no sign of life for too long
    // What timers tell.
    kStartLimit,
    kBackoffElapsed,
    kGraceElapsed,
    // What the restart policy tells.
    kGiveUp,
};
inline constexpr std::size_t kEvents = 14;

enum class Action : std::uint8_t {
    kNone,
    kLaunch,     ///< fork and exec; start the timer of the start limit
    kTerminate,  ///< SIGTERM; start the timer of the grace time
    kKill,       ///< SIGKILL
    kAbort,      ///< SIGABRT, for a core; start the timer of the grace time
    kCancelTimer,
    kForgetDeaths,   ///< an operator's start begins a new history
    kConsultPolicy,  ///< report the death; then a delay, or kGiveUp
    kRetryBusy,      ///< report; then a delay
    kReportDeath,    ///< of a process that was told to end
    kReportExecFailure,
};

/// Whether carrying it out may tell the next event at once: a launch that fails, a delay of
/// nothing. Only the last action of a step does, so that a step is whole before the next one
/// begins.
constexpr bool tells(Action action) noexcept {
    return action == Action::kLaunch || action == Action::kConsultPolicy ||
           action == Action::kRetryBusy;
}

struct Step {
    State next = State::kStopped;
    std::array<Action, 2> actions{};  ///< in this order
    friend constexpr bool operator==(const Step&, const Step&) = default;
};

/// The table itself.
Step step(State state, Event event) noexcept;

/// A state, and the number of the launch that it is about.
class WorkerMachine {
  public:
    /// An order: of no launch.
    Step order(Event event) noexcept;
    /// What launch number `launch` did; nothing happens if it is not the last one.
    Step observe(Event event, std::uint64_t launch) noexcept;

    [[nodiscard]] State state() const noexcept { return state_; }
    /// Counts from 1; 0 before the first launch.
    [[nodiscard]] std::uint64_t launch() const noexcept { return launch_; }

  private:
    Step apply(Event event) noexcept;

    State state_ = State::kStopped;
    std::uint64_t launch_ = 0;
};

/// Whether there is a process, or will be without an order.
bool is_active(State state) noexcept;
std::string_view name_of(State state) noexcept;
std::string_view name_of(Event event) noexcept;

}  // namespace shmipc::supervisor
