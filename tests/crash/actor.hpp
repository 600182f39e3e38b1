// Actor: a worker process of an arena that does what the test tells it, step by step, and may be
// made to stop or to die at any step.
//
// It is a process of its own, forked, attached with Worker::attach, and connected with the test by
// a socket: a script of commands goes down, an outcome comes back.
#pragma once

#include "arena.hpp"
#include "base/os.hpp"
#include "child.hpp"
#include "plan.hpp"
#include <shmipc/ids.hpp>
#include <shmipc/worker.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace shmipc::crash {

enum class Op : std::uint32_t {
    kPublish,     ///< by copy
    kFlood,       ///< publish 20,000 messages in a row, without any stop, and note the time
    kLoan,        ///< fill a slot in place, in two halves with a step in between, and publish it
    kReturnLoan,  ///< fill half of a loan and give it back
    kAcquire,     ///< pin the channel's latest message, and check it
    kRelease,     ///< check it again, and release it
    kRecheck,     ///< check the pinned message again
    kWait,        ///< sleep until the channel has something newer
};

struct Command {
    Op op = Op::kPublish;
    WorkerIndex channel{0};  ///< for a consumer's commands
};

using Script = std::vector<Command>;

/// Copy and loan by turns, `count` messages.
Script publish(std::uint32_t count);
/// Acquires, checks and releases the channel's latest message.
Script refresh(WorkerIndex channel);

/// Where a worker is to die and to stop while it runs a script, or attaches.
struct Plan {
    Place death;
    std::vector<Place> stops;
};

enum class Outcome : std::uint8_t {
    kDone,
    kStopped,  ///< at one of the plan's stops: resume()
    kDied      ///< killed by its plan
};

class Actor {
  public:
    /// How long anything may take that nothing holds up.
    static constexpr std::chrono::seconds kPatience{10};

    /// Forks the worker, which attaches. With a plan it obeys that meanwhile: outcome() then.
    Actor(Arena& arena, WorkerIndex index);
    Actor(Arena& arena, WorkerIndex index, const Plan& plan);

    /// Lets the worker run a script; it obeys the plan meanwhile. One at a time.
    void start(const Script& script, const Plan& plan = {});
    /// Waits until the script, or attaching, is done, stopped or died of its plan. Throws Failure
    /// if the worker reports a broken invariant, dies of anything else, or takes too long.
    Outcome outcome(std::chrono::milliseconds patience = kPatience);
    /// Goes on after a stop.
    void resume();
    /// start(), and expects it to be done.
    void run(const Script& script);
    /// Waits until the worker sleeps in a script's kWait; false if it has an outcome before that.
    bool falls_asleep();
    void expect_asleep() { expect(falls_asleep(), "a worker did not fall asleep"); }
    /// SIGSTOP, wherever the worker is; returns when it has stopped. thaw() is SIGCONT.
    void freeze();
    void thaw();
    /// SIGKILL, wherever the worker is.
    void murder();
    /// Lets the worker leave in order, and expects it to free its pins.
    void leave();

    [[nodiscard]] const Page& page() const noexcept { return *page_; }
    [[nodiscard]] WorkerIndex index() const noexcept { return index_; }
    /// What attaching found that its predecessor left. Valid once attached.
    [[nodiscard]] const std::vector<Worker::ReclaimedPin>& reclaimed() const noexcept {
        return reclaimed_;
    }

  private:
    void arm(const Plan& plan);

    const Arena* arena_;
    WorkerIndex index_;
    SharedPage page_;
    os::Fd socket_;
    Child child_;
    std::vector<Worker::ReclaimedPin> reclaimed_;
    bool attaching_ = true;
};

/// What goes through the socket.
namespace wire {

inline constexpr std::size_t kCommands = 64;

struct Orders {
    std::uint32_t count = 0;
    std::array<Command, kCommands> commands{};
};
enum class Kind : std::uint32_t { kAttached, kDone, kStopped, kFault };
struct Answer {
    Kind kind = Kind::kDone;
    std::uint32_t pins = 0;  ///< reclaimed at attach
    std::array<Worker::ReclaimedPin, kWorkersAtMost> reclaimed{};
    std::array<char, 256> text{};  ///< of a fault
};
/// To a stopped worker.
inline constexpr char kGoOn = 'g';

}  // namespace wire

/// The worker's own side: attaches, and runs scripts until the socket closes.
int act(const GroupConfig& config, WorkerIndex index, Page& page, int socket);

}  // namespace shmipc::crash
