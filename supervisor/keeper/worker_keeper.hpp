// Keeps one worker: carries out what its state machine decides, and tells the machine what the
// kernel and the clock do. What belongs to one life of the worker is in worker_life.hpp; what
// outlasts it, here.
//
// Owned by the supervisor, which outlives every handler. One thread; nothing here blocks.
#pragma once

#include "config/config.hpp"
#include "death_record.hpp"
#include "kin.hpp"
#include "launch.hpp"
#include "oom_watch.hpp"
#include "policy.hpp"
#include "report.hpp"
#include "worker_life.hpp"
#include "worker_state.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
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
    [[nodiscard]] bool ending() const noexcept { return life_ && life_->reaped(); }
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
    [[nodiscard]] const std::string& left_behind() const noexcept { return last_end_.left_behind; }
    /// −1 if there is no process.
    [[nodiscard]] pid_t pid() const noexcept { return life_ ? life_->pid() : -1; }

  private:
    void observe(Event event);
    /// Carries out what the machine makes of `event`, and then of what has come of that.
    void go_on(std::optional<Event> event, bool ordered);
    /// Nothing, or what has come of it: the machine's next event. It is taken when the actions of
    /// this step are done; of these only the last may have any, see tells().
    std::optional<Event> perform(Action action, Event cause);

    std::optional<Event> launch(Event cause);
    std::optional<Event> consult_policy();
    std::optional<Event> retry_busy();
    std::optional<Event> restart_after(Clock::duration delay);
    void terminate(Event cause);
    void kill(Event cause);
    void abort_hung();
    void arm(Clock::duration delay, Event event);
    void disarm();
    void on_timer(Event event);
    void on_hung();
    void note_state(State before, State after, Event event);
    void record_end(log::Level level, std::string consequence, Clock::duration backoff);
    void report_exec_failure();
    /// Whether the process was told to end by order, and is not to be killed.
    [[nodiscard]] bool told_to_end() const noexcept;
    [[nodiscard]] std::string hindrance() const { return life_ ? life_->hindrance() : ""; }

    const Surroundings& surroundings_;
    const WorkerLife::Surroundings life_surroundings_;
    WorkerSettings settings_;  ///< a copy: a changed command is rolled out worker by worker
    WorkerIndex index_;
    WorkerMachine machine_;
    RestartPolicy policy_;
    boost::asio::steady_timer timer_;  ///< start limit, backoff and grace exclude each other
    std::uint64_t armed_ = 0;          ///< counts what the timer was set to, or cancelled for
    std::optional<WorkerLife> life_;   ///< from its launch until nothing of it is left
    LifeEnd last_end_;

    // What outlasts one life.
    bool troubled_ = false;
    bool was_late_ = false;       ///< not ready in time once since it was ready or ordered last
    bool waits_ = false;          ///< as watch_start() found last
    bool excused_ = false;        ///< its start limit has passed, while it waited
    bool after_death_ = false;    ///< the next launch replaces one that died
    std::uint64_t restarts_ = 0;  ///< after deaths
    std::uint64_t ordered_restarts_ = 0;  ///< launches by order, after the first
    std::uint64_t hangs_ = 0;
    DeathRecord deaths_;
};

}  // namespace shmipc::supervisor
