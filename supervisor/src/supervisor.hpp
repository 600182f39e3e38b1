// Looks after one group: starts its workers, keeps them running, and ends them all.
//
// One thread, one Asio loop, nothing that blocks. SIGCHLD is a hint, a pidfd is a better one, and
// once a second every known pid is asked without any: signals coalesce, and a death that nobody
// noticed would be a worker that never comes back. Only known pids are waited for, never −1.
//
// It reads the workers' shared memory for reports alone, and trusts none of it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config.hpp"
#include "exit_code.hpp"
#include "launch.hpp"
#include "worker_keeper.hpp"

namespace shmipc::supervisor {

class Supervisor {
  public:
    /// `config`, `group` and `context` outlive it. `hang_up_stops`: SIGHUP ends the group, because
    /// it belongs to the terminal that it is run from.
    Supervisor(boost::asio::io_context& io, const Config& config, const Group& group,
               const LaunchContext& context, bool hang_up_stops);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor() = default;

    /// Starts all workers. Returns at once; io.run() does the work, and returns when the last
    /// worker has ended after stop().
    void start();
    /// Ends all workers: SIGTERM, SIGKILL after the grace time. Called again: SIGKILL now.
    void stop(std::string_view reason, ExitCode code = ExitCode::kOk);
    /// Kills worker `index` and keeps it down, or starts it if it is down. Not while stopping.
    void toggle(WorkerIndex index);

    [[nodiscard]] ExitCode exit_code() const noexcept { return exit_code_; }

  private:
    enum class Phase : std::uint8_t { kIdle, kStarting, kRunning, kStopping, kStopped };
    struct Tally {
        std::size_t running = 0;
        std::size_t stopped = 0;
        std::size_t failed = 0;
        std::size_t rest = 0;  ///< on the way to something
    };

    void wait_for_signal();
    void on_signal(int signal);
    void check_soon();
    void check_all();
    void tick();
    void watch_names();
    void on_change(WorkerIndex worker, Event event, State after);
    void judge_soon();
    void judge();
    void judge_start(const Tally& tally);
    void judge_running(const Tally& tally);
    void start_limit_passed();
    void report_ready(const Tally& tally);
    [[nodiscard]] Tally tally() const;
    [[nodiscard]] std::string workers_in(bool (*belongs)(State)) const;

    boost::asio::io_context& io_;
    const Config& config_;
    const Group& group_;
    bool hang_up_stops_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer tick_;
    boost::asio::steady_timer start_timer_;
    WorkerKeeper::Surroundings surroundings_;
    std::deque<WorkerKeeper> keepers_;  ///< by index; a deque, since they do not move
    std::vector<bool> name_lost_;       ///< by index: has been told
    Phase phase_ = Phase::kIdle;
    ExitCode exit_code_ = ExitCode::kOk;
    bool check_posted_ = false;
    bool judge_posted_ = false;
    bool start_limit_passed_ = false;
};

}  // namespace shmipc::supervisor
