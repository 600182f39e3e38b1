// shmipcctl wait: until workers are ready.
#pragma once

#include "options.hpp"
#include "output.hpp"
#include "reports.hpp"

#include <map>
#include <optional>
#include <string>

namespace shmipc::ctl {

/// States of the workers that are waited for, by index. Pure.
class ReadyTracker {
  public:
    void update(const WorkerReport& worker) { workers_[worker.index] = worker; }

    /// All run, but for those that are stopped by order.
    [[nodiscard]] bool ready() const;
    /// A worker that was given up: it will not be ready by itself.
    [[nodiscard]] std::optional<std::uint32_t> given_up() const;
    /// "worker 1 is starting, worker 2 is failed": those that are not ready; with more than a few
    /// of them the rest as a number.
    [[nodiscard]] std::string missing() const;

  private:
    std::map<std::uint32_t, WorkerReport> workers_;
};

/// Throws Failure: kFailed for a worker that was given up, kDegraded when the time is over.
void wait(const Options& options, Output& output);

}  // namespace shmipc::ctl
