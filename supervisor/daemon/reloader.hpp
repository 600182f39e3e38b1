// Reads the configuration again while the group runs: checks first, applies what can change live,
// and rolls a changed command or environment out worker by worker, the next when the last is ready.
//
// A roll-out that fails stops: the workers after it keep what they had, also when they die and are
// restarted, until a later reload. The worker at which it stopped gets its old command back, if it
// ran well with that (restart.rollback). A command that cannot be executed is found before anybody
// is stopped for it. One thread; one reload at a time.
#pragma once

#include "config/config.hpp"
#include "config/config_changes.hpp"
#include "supervisor.hpp"
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::supervisor {

class Reloader {
  public:
    struct Outcome {
        enum class Kind : std::uint8_t {
            kDone,
            kConfigInvalid,  ///< nothing was changed
            kRolloutFailed,  ///< at `worker`
            kStopped,        ///< the group was stopped before all workers had the new command
        };
        Kind kind = Kind::kDone;
        std::string reason;
        WorkerIndex worker{0};
        bool rolled_back = false;  ///< `worker` has its old command again
        ConfigChanges changes;
        std::vector<std::string>
            warnings;  ///< what the fresh configuration most likely did not mean
        std::vector<WorkerIndex>
            rolled;  ///< have the new command; those that are down get it later
    };
    using Done = std::function<void(const Outcome& outcome)>;
    struct Sources {
        /// Reads and checks; throws ConfigError.
        std::function<Config()> load;
        /// Looks at a fresh configuration before it is taken over, and returns what speaks against
        /// it; throws Error, and has changed nothing then.
        std::function<std::vector<std::string>(const Config& fresh)> prepare;
        std::function<void()> on_begin{};  ///< may be empty, as the next
        std::function<void()> on_end{};
    };

    /// All outlive it, and what is posted to `io`.
    Reloader(boost::asio::io_context& io, Supervisor& supervisor, Sources sources);
    Reloader(const Reloader&) = delete;
    Reloader& operator=(const Reloader&) = delete;
    ~Reloader() = default;

    /// Begins; `done` is called at the end, at once or later. The outcome is logged too. Must not
    /// be called while running().
    void start(Done done);
    /// The same for somebody who does not wait. While running(), it begins when that has ended: the
    /// file may have changed since it was read.
    void request();
    [[nodiscard]] bool running() const noexcept { return static_cast<bool>(done_); }
    /// To be called after each change of a worker's state.
    void on_change();

    [[nodiscard]] std::uint64_t succeeded() const noexcept { return succeeded_; }
    [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }

  private:
    void retry_failed();
    void advance();
    void begin_next();
    /// Whether the worker at hand is done with; finishes if it failed.
    bool current_is_done();
    void finish();
    [[nodiscard]] std::string end_of_current() const;
    void fail_rollout(const std::string& reason);
    /// Gives the worker at hand its old command back and starts it with that; finishes when it is
    /// ready, or has failed with that too.
    void roll_back(const std::string& reason);

    boost::asio::io_context& io_;
    Supervisor& supervisor_;
    Sources sources_;
    Done done_;
    Outcome outcome_;
    std::deque<WorkerIndex> queue_;
    std::optional<WorkerIndex> current_;
    std::uint64_t launch_before_ = 0;
    std::optional<WorkerSettings> old_settings_;  ///< of current_, if it ran well with them
    bool rolling_back_ = false;
    std::optional<WorkerIndex> failed_at_;  ///< by the last roll-out
    bool posted_ = false;
    bool again_ = false;  ///< requested while running()
    std::uint64_t succeeded_ = 0;
    std::uint64_t failed_ = 0;
};

}  // namespace shmipc::supervisor
