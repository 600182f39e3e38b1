// Keeps one worker: carries out what its state machine decides, and tells the machine what the
// kernel and the clock do. The thin adapter between worker_state.hpp, policy.hpp, child.hpp and
// Asio.
//
// Owned by the supervisor, which outlives every handler. One thread; nothing here blocks.
#pragma once

#include "certificate.hpp"
#include "child.hpp"
#include "config/config.hpp"
#include "death_record.hpp"
#include "hang_watch.hpp"
#include "kin.hpp"
#include "launch.hpp"
#include "oom_watch.hpp"
#include "policy.hpp"
#include "process_sight.hpp"
#include "report.hpp"
#include "worker_output.hpp"
#include "worker_state.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

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
        OomWatch& oom;
        Kin& kin;
        RestartPolicy::Random random;
        /// Whether a worker other than this one has never been there in the group's life.
        std::function<bool(WorkerIndex worker)> others_missing;
        /// Called after each change of state, and before what it leads to. Must not order anything.
        std::function<void(WorkerIndex worker, Event event, State before, State after)> on_change;
        /// Has all workers checked soon, once for all that ask.
        std::function<void()> check_soon;
    };

    WorkerKeeper(const Surroundings& surroundings, WorkerIndex index);
    WorkerKeeper(const WorkerKeeper&) = delete;
    WorkerKeeper& operator=(const WorkerKeeper&) = delete;
    ~WorkerKeeper() = default;

    /// An order: kStart, kStop, kRestart, kKill or kToggle.
    void order(Event event);
    /// Sends a signal by order; what dies of it is restarted like any other. False if there is no
    /// process.
    bool signal(int signal);
    /// Takes over what the configuration says of this worker now: limits at once; with `process`
    /// also the command and the environment, for the next launch.
    void adopt_settings(bool process);
    /// Gives it these settings, for the next launch, and returns those that it had.
    WorkerSettings exchange_process(WorkerSettings settings);
    [[nodiscard]] const WorkerSettings& settings() const noexcept { return settings_; }
    /// Whether the configuration has another command or environment than it was given.
    [[nodiscard]] bool outdated() const;
    /// Asks the kernel whether the process has ended, and buries it if so. Cheap; called on every
    /// hint, and once a second without one.
    void check();
    /// Whether it was buried, and the machine has not been told: see settle().
    [[nodiscard]] bool ending() const noexcept { return ended_.has_value(); }
    /// Ends what is left of a buried process, and goes on with what follows the death when nothing
    /// is, or after kMostEnding. After check() of all, and Kin::look().
    void settle();
    /// Looks whether a worker that starts only waits for another that has never been there: it has
    /// attached, and gives signs of life. Then its start limit does not end it. To be called now
    /// and then while it starts.
    void watch_start();
    /// Looks whether the worker still gives signs of life. To be called several times within the
    /// shortest heartbeat limit.
    void watch();

    [[nodiscard]] WorkerReport report(const ConsumerTotals& totals) const;
    [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }
    [[nodiscard]] const DeathRecord& deaths() const noexcept { return deaths_; }
    /// Counts the launches.
    [[nodiscard]] std::uint64_t launch_number() const noexcept { return machine_.launch(); }
    [[nodiscard]] State state() const noexcept { return machine_.state(); }
    /// Whether it died, hangs or was not ready in time, and has not been ready since, nor stopped.
    [[nodiscard]] bool troubled() const noexcept { return troubled_; }
    /// As the last watch_start() found.
    [[nodiscard]] bool waits() const noexcept {
        return waits_ && machine_.state() == State::kStarting;
    }
    /// Whether it may still become ready for the first time, or again by order: not if it only
    /// waits, was not ready in time, or dies again and again.
    [[nodiscard]] bool on_its_way() const noexcept;
    /// Why it is not ready, for "worker 1 failed: …"; empty if there is nothing to say. With `look`
    /// it looks at the process too, which costs some files of /proc.
    [[nodiscard]] std::string why_not_ready(bool look) const;
    [[nodiscard]] std::uint32_t deaths_in_a_row() const noexcept {
        return policy_.deaths_in_a_row();
    }
    [[nodiscard]] WorkerIndex index() const noexcept { return index_; }
    /// What of the last process could not be ended, and why: for whoever ordered its end. Empty as
    /// it should be.
    [[nodiscard]] const std::string& left_behind() const noexcept { return left_behind_; }
    /// −1 if there is no process.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  private:
    void observe(Event event);
    void carry_out(Event event, State before, const Step& step);
    void perform(Action action, Event cause);

    void launch(Event cause);
    void adopt(Child child);
    void watch_readiness();
    void read_readiness(std::uint64_t launch, std::size_t length);
    void become_ready(std::uint64_t launch);
    /// Whether it says so in shared memory; looks again and again once it has no pipe left.
    void look_for_readiness(std::uint64_t launch);
    [[nodiscard]] bool says_ready() const;
    void bury(std::optional<int> status);
    [[nodiscard]] bool finishes_in_peace() const;
    [[nodiscard]] std::string what_is_left();
    [[nodiscard]] Certificate certify(std::optional<int> status) const;
    void record_death(log::Level level, std::string consequence, Clock::duration backoff);
    void report_exec_failure();
    void note_state(State before, State after, Event event);
    /// What keeps its process from becoming ready, as far as the kernel tells: "is stopped by a
    /// signal …"; empty if there is no process, or nothing odd about it.
    [[nodiscard]] std::string hindrance() const;
    void consult_policy();
    void retry_busy();
    void restart_after(Clock::duration delay);
    void terminate(Event cause);
    void abort_hung();
    void kill(Event cause);
    void send(int signal) const;
    void arm(Clock::duration delay, Event event);
    void on_timer(Event event);
    [[nodiscard]] bool waits_for_core();
    void fail_to_launch(const std::string& failure);

    [[nodiscard]] bool attached(const VitalSigns& vitals) const noexcept;
    /// The process that attached: a worker that is a script has it below the shell that we started.
    /// What it says of its pid is believed only of one that came from the process that we started.
    [[nodiscard]] pid_t real_pid() const;
    [[nodiscard]] std::optional<ProcessSight> sight() const;
    [[nodiscard]] std::string doing(const std::optional<ProcessSight>& sight) const;

    [[nodiscard]] LifeSigns signs_with_last_read(LifeSigns signs) const noexcept;
    void on_hung(Clock::time_point now);

    const Surroundings& surroundings_;
    WorkerSettings settings_;  ///< a copy: a changed command is rolled out worker by worker
    WorkerIndex index_;
    WorkerMachine machine_;
    RestartPolicy policy_;
    boost::asio::steady_timer timer_;        ///< start limit, backoff and grace exclude each other
    boost::asio::steady_timer ready_timer_;  ///< for look_for_readiness()
    boost::asio::steady_timer end_timer_;    ///< looks again for what is left
    std::uint64_t armed_ = 0;                ///< counts what the timer was set to, or cancelled for

    // The process, if there is one.
    pid_t pid_ = -1;
    std::optional<boost::asio::posix::stream_descriptor> pidfd_;
    std::optional<boost::asio::posix::stream_descriptor> ready_;
    std::array<char, 64> ready_bytes_{};
    std::size_t before_ready_ = 0;  ///< bytes read so far that told nothing
    os::Fd exec_;
    WorkerOutput output_;
    Clock::time_point launched_at_{};
    std::optional<Clock::time_point> ready_at_;
    std::uint32_t incarnation_before_ = 0;  ///< as the group told it at the launch
    bool executed_ = true;
    bool killed_by_us_ = false;
    bool told_to_end_ = false;  ///< by order: its end is no death
    bool condemned_ = false;    ///< by us: it hung, or was not ready in time
    int ordered_signal_ = 0;    ///< the last that an operator sent through us
    std::string cause_;         ///< why we end it; empty: we do not
    HangWatch hang_;
    std::uint64_t last_read_ = 0;  ///< messages it had read when its reads were looked at last
    std::optional<std::chrono::nanoseconds> cpu_when_silent_;  ///< used when its silence began
    std::optional<Clock::time_point> core_since_;  ///< SIGKILL waits for its core since then

    // Buried, with something of it perhaps left.
    std::optional<Event> ended_;  ///< what the machine is to be told when nothing is left
    Clock::time_point ended_at_{};
    pid_t real_ = -1;  ///< the process that had attached, if it was another than the one we started
    std::uint64_t real_started_ = 0;
    bool told_left_ = false;
    std::string left_behind_;

    Certificate last_death_;
    std::string exec_failure_;  ///< program and reason, of the last launch
    // Its start.
    bool troubled_ = false;
    bool was_late_ = false;  ///< not ready in time once since it was ready or ordered last
    bool waits_ = false;
    bool excused_ = false;                       ///< its start limit has passed, while it waited
    std::optional<std::uint64_t> start_beat_{};  ///< heartbeat when it was looked at last
    Clock::time_point beat_at_{};                ///< when that was new
    bool after_death_ = false;                   ///< the next launch replaces one that died
    std::uint64_t restarts_ = 0;                 ///< after deaths
    std::uint64_t ordered_restarts_ = 0;         ///< launches by order, after the first
    std::uint64_t hangs_ = 0;
    DeathRecord deaths_;
};

}  // namespace shmipc::supervisor
