// One life of a worker: what belongs to one process of it, from its launch until nothing of it is
// left.
//
// Made at the launch, and gone after the burial: nothing of it is reset, and what the loop still
// holds of it then finds nobody. A life goes one way: unborn; a process that may become ready, be
// told to end, be killed; reaped, with its certificate, while what it has left is ended; settled.
//
// Owned by the worker's keeper. One thread; nothing here blocks.
#pragma once

#include "certificate.hpp"
#include "child.hpp"
#include "hang_watch.hpp"
#include "kin.hpp"
#include "oom_watch.hpp"
#include "process_sight.hpp"
#include "readiness.hpp"
#include "worker_output.hpp"
#include "worker_state.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace shmipc::supervisor {

/// How a life has ended, and what is to be told of it.
struct LifeEnd {
    Event event = Event::kDied;  ///< for the worker's machine: kDied, kBusy or kExecFailed
    Certificate certificate;
    std::chrono::nanoseconds ready_for{0};  ///< 0: it has never been ready
    std::string not_executed;               ///< program and reason; empty: it was executed
    /// What of it could not be ended, and why: for whoever ordered its end. Empty as it should be.
    std::string left_behind;
};

class WorkerLife {
  public:
    using Clock = std::chrono::steady_clock;

    /// Outlives it.
    struct Surroundings {
        boost::asio::io_context& io;
        const Group& group;
        OomWatch& oom;
        Kin& kin;
        /// Has all workers checked soon.
        const std::function<void()>& check_soon;
    };

    /// `restarts`: of this worker after deaths, so far.
    WorkerLife(const Surroundings& surroundings, WorkerIndex index, std::uint64_t restarts);
    WorkerLife(const WorkerLife&) = delete;
    WorkerLife& operator=(const WorkerLife&) = delete;
    ~WorkerLife() = default;

    /// Begins the process. `is_awaited`: whether it would still matter that it is ready; `on_ready`
    /// is called once, when it is. Throws Error (kSystem), and there is none.
    void begin(ChildSpec spec, const std::string& group_name, std::function<bool()> is_awaited,
               std::function<void()> on_ready);
    /// The end of one that never had a process. Makes the certificate.
    [[nodiscard]] LifeEnd unborn(Event event, std::string not_executed) const;

    /// −1 before begin(), and once it is reaped.
    [[nodiscard]] pid_t pid() const noexcept { return reaped() ? -1 : pid_; }
    /// The same, but the number that it had stays its name.
    [[nodiscard]] pid_t last_pid() const noexcept { return pid_; }
    [[nodiscard]] bool reaped() const noexcept { return end_.has_value(); }
    [[nodiscard]] Clock::time_point launched_at() const noexcept { return launched_at_; }

    /// What the group tells of this process; nothing as long as it has not attached.
    [[nodiscard]] std::optional<VitalSigns> vital_signs() const;
    /// While the pipe is open: it may say in shared memory alone that it is ready.
    void look_for_readiness() const;
    /// Whether it has attached and gives signs of life, the last one less than `patience` ago.
    [[nodiscard]] bool waits(std::chrono::milliseconds patience);

    /// Whether it hangs; `limit` 0: never. For one that is ready.
    [[nodiscard]] HangWatch::Verdict watch(std::chrono::milliseconds limit);
    /// Nothing of its silence is held against it.
    void excuse() noexcept { hang_.excuse(Clock::now()); }
    /// For how long it gave no sign of life at the last watch(); and for how long now, by `vitals`.
    [[nodiscard]] Clock::duration silence() const noexcept { return hang_.silence(); }
    [[nodiscard]] Clock::duration silence(const VitalSigns& vitals) const noexcept;
    /// As the kernel sees it; of a script the worker below it.
    [[nodiscard]] std::optional<ProcessSight> sight() const { return look_at(real_pid()); }
    /// What it does while it is silent: "sleeps, …".
    [[nodiscard]] std::string doing(const std::optional<ProcessSight>& sight) const;
    /// What keeps it from becoming ready, as far as the kernel tells: "is stopped by a signal …";
    /// empty if there is no process, or nothing odd about it.
    [[nodiscard]] std::string hindrance() const;
    /// Whether the kernel still writes its core, since less than `limit`. Logs it the first time.
    [[nodiscard]] bool waits_for_core(std::chrono::milliseconds limit);

    // Why it ends. The last word counts; one that we have condemned dies of that, whoever else
    // wants its end then.
    /// A signal by order, which does not ask for its end. It is sent.
    void signal_by_order(int signal);
    void end_by_order(const std::string& cause);
    void condemn(std::string cause);
    void add_to_cause(const std::string& more) { cause_ += more; }
    [[nodiscard]] const std::string& cause() const noexcept { return cause_; }
    /// SIGTERM, and SIGCONT for one that is stopped.
    void terminate() const;
    /// SIGABRT, for a core.
    void abort() const;
    void kill();

    /// Asks the kernel whether the process has ended, and reaps it if so: true once. `told_to_end`:
    /// what it leaves running was told to end too, and has time for it.
    [[nodiscard]] bool check(bool told_to_end);
    /// Ends what is left of a process that has been reaped: how the life ended once nothing is, or
    /// after kMostEnding. Nothing: to be asked again, for which it asks by check_soon.
    [[nodiscard]] std::optional<LifeEnd> settle(bool told_to_end);

  private:
    [[nodiscard]] pid_t real_pid() const;
    [[nodiscard]] bool says_ready() const;
    void send(int signal) const;
    void note_real_process();
    void bury(std::optional<int> status);
    [[nodiscard]] bool finishes_in_peace(bool told_to_end) const;
    [[nodiscard]] std::string what_is_left();
    [[nodiscard]] Certificate certify(std::optional<int> status, bool executed) const;

    const Surroundings& surroundings_;
    WorkerIndex index_;
    std::uint64_t restarts_;
    Clock::time_point launched_at_ = Clock::now();
    std::uint32_t incarnation_before_;  ///< as the group told it at the launch

    std::string program_;
    pid_t pid_ = -1;
    std::optional<boost::asio::posix::stream_descriptor> pidfd_;
    os::Fd exec_;
    WorkerOutput output_;
    std::shared_ptr<Readiness> readiness_;
    std::optional<Clock::time_point> ready_at_;

    std::optional<std::uint64_t> start_beat_;  ///< heartbeat when waits() was asked last
    Clock::time_point start_beat_at_{};        ///< when that was new
    HangWatch hang_;
    std::uint64_t last_read_ = 0;  ///< messages it had read when its reads were looked at last
    std::optional<std::chrono::nanoseconds> cpu_when_silent_;  ///< used when its silence began
    std::optional<Clock::time_point> core_since_;              ///< SIGKILL waits for its core

    std::string cause_;         ///< why we end it; empty: we do not
    int ordered_signal_ = 0;    ///< the last that an operator sent through us
    bool told_to_end_ = false;  ///< by order: its end is no death
    bool condemned_ = false;    ///< by us: it hung, or was not ready in time
    bool killed_ = false;       ///< SIGKILL was ours

    // Reaped, with something of it perhaps left.
    std::optional<LifeEnd> end_;
    boost::asio::steady_timer end_timer_;  ///< looks again for what is left
    Clock::time_point ended_at_{};
    pid_t real_ = -1;  ///< the process that had attached, if it was another than the one we started
    std::uint64_t real_started_ = 0;
    bool told_left_ = false;
};

}  // namespace shmipc::supervisor
