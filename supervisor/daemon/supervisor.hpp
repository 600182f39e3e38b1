// Looks after one group: starts its workers, keeps them running, and ends them all.
//
// One thread, one Asio loop, nothing that blocks. SIGCHLD is a hint, a pidfd is a better one, and
// once a second every known pid is asked without any: signals coalesce, and a death that nobody
// noticed would be a worker that never comes back. Only known pids are waited for, never −1.
//
// It reads the workers' shared memory for reports alone, and trusts none of it.
#pragma once

#include "config/config.hpp"
#include "config/config_changes.hpp"
#include "keeper/launch.hpp"
#include "keeper/oom_watch.hpp"
#include "keeper/report.hpp"
#include "keeper/worker_keeper.hpp"
#include "operator_stops.hpp"
#include "shared/exit_code.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::supervisor {

class Supervisor {
  public:
    struct Surroundings {
        boost::asio::io_context& io;
        const Group& group;
        const LaunchContext& context;
        OperatorStops& stops;
        /// What to do about a group that could not start: "systemctl start shmipc@demo".
        std::string start_again;
        /// How often all workers are looked at without a sign from them.
        std::chrono::milliseconds pass_every{1000};
    };
    /// What the group's life looks like from outside. All may be empty.
    struct Callbacks {
        /// SIGHUP.
        std::function<void()> on_hang_up;
        /// A worker's state has changed. From within a change: must order nothing, post instead.
        std::function<void(WorkerIndex worker)> on_change;
        /// The first worker is about to be launched: the delay of the start is over.
        std::function<void()> on_launch;
        /// The group is ready, or begins to stop.
        std::function<void(Phase phase)> on_phase;
        /// What status() says may have changed. Once for all that changes in one turn of the loop.
        std::function<void()> on_status;
        /// All workers have been looked at; every Surroundings::pass_every.
        std::function<void()> on_pass;
    };

    /// What `surroundings` refers to outlives it.
    Supervisor(const Surroundings& surroundings, Config config);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor() = default;

    void set_callbacks(Callbacks callbacks) { callbacks_ = std::move(callbacks); }

    /// Starts all workers that are not stopped by order, after `delay`: `why` says what for, "the
    /// last 3 starts failed: …". The first order ends the delay. Returns at once; io.run() does the
    /// work, and returns when the last worker has ended after stop().
    void start(std::chrono::seconds delay = std::chrono::seconds{0}, const std::string& why = "");
    /// Ends all workers: SIGTERM, SIGKILL after the grace time. Called again: SIGKILL now.
    void stop(std::string_view reason, ExitCode code = ExitCode::kOk);

    /// Whether orders are taken: not before start(), nor after stop().
    [[nodiscard]] bool takes_orders() const noexcept;
    /// An operator's order for one worker: kStart, kStop, kRestart, kKill or kToggle. What it means
    /// for the worker's being stopped is kept beyond our own end. Only if takes_orders().
    void order(WorkerIndex index, Event order);
    /// Sends a signal. False if the worker has no process.
    bool signal(WorkerIndex index, int signal);

    /// Makes `fresh` the configuration, but for the keys that only a new supervisor can obey, and
    /// for commands and environments, which each worker gets by adopt_process().
    ConfigChanges reconfigure(const Config& fresh);
    void set_log_level(log::Level level);
    [[nodiscard]] std::vector<WorkerIndex> outdated() const;
    void adopt_process(WorkerIndex index);
    /// The worker's settings as its next launch would take them, and others in their place.
    [[nodiscard]] const WorkerSettings& settings(WorkerIndex index) const {
        return keeper(index).settings();
    }
    void give_back(WorkerIndex index, WorkerSettings settings);
    /// Throws ConfigError if a worker would get another command by `fresh`, and that cannot be
    /// executed.
    void check_commands(const Config& fresh) const;

    /// Those whom it has adopted and who wait for their worker's end, or its own.
    [[nodiscard]] Kin& kin() noexcept { return kin_; }
    [[nodiscard]] const Config& config() const noexcept { return config_; }
    [[nodiscard]] ExitCode exit_code() const noexcept { return exit_code_; }
    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    /// Why the group was stopped; empty before.
    [[nodiscard]] const std::string& stop_reason() const noexcept { return stop_reason_; }
    /// A line for people: "3/3 workers ready, 2 restarts; stopped by order: worker 1", or "2/3
    /// workers ready: worker 1 failed: exited with status 3, 11 times in a row; 10 restarts".
    [[nodiscard]] std::string status() const;
    [[nodiscard]] State state(WorkerIndex index) const { return keeper(index).state(); }
    [[nodiscard]] std::uint64_t launch_number(WorkerIndex index) const {
        return keeper(index).launch_number();
    }
    [[nodiscard]] const DeathRecord& deaths(WorkerIndex index) const {
        return keeper(index).deaths();
    }
    /// What of a worker that was stopped is left against all; empty as it should be.
    [[nodiscard]] const std::string& left_behind(WorkerIndex index) const {
        return keeper(index).left_behind();
    }
    /// Costs a look at each object, so that it is made anew at most ten times a second, and after
    /// each change of a worker's state.
    [[nodiscard]] const GroupReport& report();

  private:
    struct Tally {
        std::size_t running = 0;
        std::size_t stopped = 0;
        std::size_t failed = 0;
        std::size_t rest = 0;     ///< on the way to something
        std::size_t waiting = 0;  ///< of the rest: only for one that has never been there
        std::size_t troubled = 0;
        std::size_t on_its_way = 0;  ///< of the rest: may still become ready
    };

    [[nodiscard]] const WorkerKeeper& keeper(WorkerIndex index) const;
    void launch_all();
    void wait_for_signal();
    void on_signal(int signal);
    void check_soon();
    void check_all();
    [[nodiscard]] bool all_gone();
    void tick();
    void watch();
    void watch_names();
    void watch_starts();
    [[nodiscard]] bool others_missing(WorkerIndex self);
    void on_change(WorkerIndex worker, Event event, State after);
    void enter(Phase phase);
    void judge_soon();
    void judge();
    void judge_start(const Tally& tally);
    void judge_running(const Tally& tally);
    void judge_wholeness(const Tally& tally);
    void fail_start(const Tally& tally, const std::string& reason);
    [[nodiscard]] std::size_t required(const Tally& tally) const;
    /// "2/3 workers ready", and what is wrong with the others.
    [[nodiscard]] std::string readiness() const;
    /// Of those that should be ready and are not. With `all` also of those that have done nothing
    /// wrong and are on their way.
    [[nodiscard]] std::string troubles(bool all) const;
    [[nodiscard]] Tally tally() const;
    [[nodiscard]] ExitCode why_start_failed() const;
    [[nodiscard]] std::string workers_in(bool (*belongs)(State)) const;

    boost::asio::io_context& io_;
    Config config_;
    const Group& group_;
    OperatorStops& stops_;
    Callbacks callbacks_;
    OomWatch oom_;
    Kin kin_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer tick_;
    boost::asio::steady_timer watch_timer_;
    boost::asio::steady_timer start_timer_;
    WorkerKeeper::Surroundings surroundings_;
    std::deque<WorkerKeeper> keepers_;  ///< by index; a deque, since they do not move
    std::vector<bool> name_lost_;       ///< by index: has been told
    std::optional<GroupReport> report_;
    std::chrono::steady_clock::time_point report_at_{};
    std::chrono::steady_clock::time_point born_ = std::chrono::steady_clock::now();
    Phase phase_ = Phase::kIdle;
    ExitCode exit_code_ = ExitCode::kOk;
    const std::chrono::milliseconds pass_every_;
    std::optional<std::chrono::steady_clock::time_point> none_since_;  ///< the last worker's end
    std::string stop_reason_;
    std::string held_;  ///< why the start is put off; empty: it is not
    bool check_posted_ = false;
    bool judge_posted_ = false;
    bool start_limit_passed_ = false;
    bool degraded_ = false;             ///< as it was told last
    bool all_have_been_there_ = false;  ///< once for ever, in the group's life
    std::uint32_t missed_ = 0;          ///< one of those that have not
    std::vector<WorkerIndex> missing_;  ///< all of those, as long as somebody waits for them
    const std::string start_again_;
};

}  // namespace shmipc::supervisor
