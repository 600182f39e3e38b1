// A group under a real supervisor, with stock workers that have nothing to do.
#pragma once

#include "figures.hpp"
#include "guard.hpp"
#include "process.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::bench {

/// What happens is read from the supervisor's log, which its workers write into as well: nobody
/// asks the supervisor, since its answers would be part of what is measured.
class RestingGroup {
  public:
    /// Starts it, and waits until all workers are ready. Throws std::runtime_error with the last of
    /// the log if that fails.
    RestingGroup(const Place& place, const Point& point);

    [[nodiscard]] double start_ms() const noexcept { return start_ms_; }
    [[nodiscard]] pid_t supervisor() const noexcept { return process_.pid(); }
    [[nodiscard]] pid_t worker(std::size_t index) const { return pids_.at(index); }
    /// CPU time of all workers since they were started.
    [[nodiscard]] double workers_cpu_ms() const;
    /// Kills one worker after another, `most` times or until `budget` is used up. The times from
    /// kill to ready in milliseconds.
    std::vector<double> respawn(std::size_t most, std::chrono::seconds budget);
    /// Ends it in order; the milliseconds that it took.
    double stop();

  private:
    struct Line {
        std::string event;
        std::optional<std::size_t> worker;
        pid_t pid = -1;
    };
    Line next_line();
    [[noreturn]] void fail(const std::string& what) const;

    Clock::time_point begin_;  ///< before process_, which it is the beginning of
    test::Process process_;
    std::vector<pid_t> pids_;
    double start_ms_ = 0;
};

Supervised measure_supervised(const Place& place, const Point& point, bool quick);
RestRow measure_rest(const Place& place, std::uint32_t workers, bool quick);

}  // namespace shmipc::bench
