// Keeps one worker: carries out what its state machine decides, and tells the machine what the
// kernel and the clock do. The thin adapter between worker_state.hpp, policy.hpp, child.hpp and
// Asio.
//
// Owned by the supervisor, which outlives every handler. One thread; nothing here blocks.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "certificate.hpp"
#include "child.hpp"
#include "config.hpp"
#include "launch.hpp"
#include "policy.hpp"
#include "worker_state.hpp"

namespace shmipc::supervisor {

class WorkerKeeper {
  public:
    using Clock = std::chrono::steady_clock;

    /// What the keepers of one supervisor share; outlives them.
    struct Surroundings {
        boost::asio::io_context& io;
        const Config& config;
        const Group& group;
        const LaunchContext& context;
        RestartPolicy::Random random;
        /// Called after each change of state, and before what it leads to. Must not order anything.
        std::function<void(WorkerIndex worker, Event event, State before, State after)> on_change;
    };

    WorkerKeeper(const Surroundings& surroundings, WorkerIndex index);
    WorkerKeeper(const WorkerKeeper&) = delete;
    WorkerKeeper& operator=(const WorkerKeeper&) = delete;
    ~WorkerKeeper() = default;

    /// An order: kStart, kStop, kKill or kToggle.
    void order(Event event);
    /// Asks the kernel whether the process has ended, and buries it if so. Cheap; called on every
    /// hint, and once a second without one.
    void check();

    [[nodiscard]] State state() const noexcept { return machine_.state(); }
    [[nodiscard]] WorkerIndex index() const noexcept { return index_; }
    /// −1 if there is no process.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  private:
    void observe(Event event);
    void carry_out(Event event, State before, const Step& step);
    void perform(Action action, Event cause);

    void launch();
    void adopt(Child child);
    void watch_readiness();
    void read_readiness(std::uint64_t launch, std::size_t length);
    void bury(std::optional<int> status);
    [[nodiscard]] Certificate certify(std::optional<int> status) const;
    void consult_policy();
    void retry_busy();
    void restart_after(Clock::duration delay);
    void send(int signal) const;
    void kill(Event cause) const;
    void arm(Clock::duration delay, Event event);
    void fail_to_launch(const std::string& program, const std::string& reason);

    const Surroundings& surroundings_;
    const WorkerSettings& settings_;
    WorkerIndex index_;
    WorkerMachine machine_;
    RestartPolicy policy_;
    boost::asio::steady_timer timer_;  ///< start limit, backoff and grace exclude each other

    // The process, if there is one.
    pid_t pid_ = -1;
    std::optional<boost::asio::posix::stream_descriptor> pidfd_;
    std::optional<boost::asio::posix::stream_descriptor> ready_;
    std::array<char, 64> ready_bytes_{};
    os::Fd exec_;
    Clock::time_point launched_at_{};
    std::optional<Clock::time_point> ready_at_;
    std::uint32_t incarnation_before_ = 0;  ///< as the group told it at the launch

    Certificate last_death_;
    std::string exec_failure_;  ///< program and reason, of the last launch
    std::uint64_t restarts_ = 0;
};

}  // namespace shmipc::supervisor
