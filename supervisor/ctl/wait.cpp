#include "wait.hpp"

#include "base/units.hpp"
#include "connection.hpp"
#include "socket_watch.hpp"
#include "status.hpp"
#include "worker_list.hpp"

#include <algorithm>
#include <chrono>

namespace shmipc::ctl {
namespace {

using Clock = std::chrono::steady_clock;
/// max(): none.
using Deadline = Clock::time_point;

/// Without a deadline as good as for ever; the loop looks again then.
constexpr std::chrono::hours kForEver{24};

std::chrono::milliseconds time_left(Deadline deadline) {
    if (deadline == Deadline::max()) {
        return kForEver;
    }
    return std::clamp<std::chrono::milliseconds>(
        std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()),
        std::chrono::milliseconds{0}, kForEver);
}

bool is_over(Deadline deadline) {
    return Clock::now() >= deadline;
}

/// Follows one supervisor until the workers are ready. Throws Failure if they will not be in time,
/// or at all, or if the supervisor goes.
void wait_at(Connection connection, const Options& options, Deadline deadline, Output& output) {
    const StatusReport status = read_status(connection.call("Status"));
    const auto workers = parse_worker_list(options.workers, status.worker_count());
    // Changes of state come at once, whatever the interval is.
    connection.call_more("Watch", {{"workers", to_json(workers)}});
    ReadyTracker tracker;
    for (;;) {
        const auto reply = connection.receive(time_left(deadline));
        if (reply) {
            for (const WorkerReport& worker : read_watch(reply->parameters).workers) {
                tracker.update(worker);
            }
            if (tracker.ready()) {
                output.write(describe_workers(workers) +
                             (workers.size() == 1 ? " is ready\n" : " are ready\n"));
                return;
            }
            if (const auto worker = tracker.given_up()) {
                throw Failure(ExitCode::kFailed,
                              "worker " + std::to_string(*worker) +
                                  " was given up, and will not be ready by itself. How it died: " +
                                  options.place.command("autopsy " + std::to_string(*worker)) +
                                  "; to start it: " +
                                  options.place.command("start " + std::to_string(*worker)));
            }
        }
        if (is_over(deadline)) {
            throw Failure(ExitCode::kDegraded,
                          "not ready after " + describe_duration(*options.timeout) + ": " +
                              tracker.missing() + ". See: " + options.place.command("status"));
        }
        if (reply && !reply->continues) {
            throw Failure(ExitCode::kNoSupervisor, "the supervisor has ended the watch");
        }
    }
}

}  // namespace

bool ReadyTracker::ready() const {
    return !workers_.empty() &&
           std::none_of(workers_.begin(), workers_.end(),
                        [](const auto& each) { return is_degraded(each.second); });
}

std::optional<std::uint32_t> ReadyTracker::given_up() const {
    const auto found = std::find_if(workers_.begin(), workers_.end(),
                                    [](const auto& each) { return each.second.state == "failed"; });
    return found == workers_.end() ? std::nullopt : std::optional(found->first);
}

std::string ReadyTracker::missing() const {
    std::vector<WorkerReport> workers;
    for (const auto& [index, worker] : workers_) {
        workers.push_back(worker);
    }
    return describe_degraded(workers);
}

void wait(const Options& options, Output& output) {
    const Deadline deadline = options.timeout ? Clock::now() + *options.timeout : Deadline::max();
    for (;;) {
        // With a time to wait, also for a supervisor that is not there yet, or is being replaced.
        std::optional<SocketWatch> watch;
        if (options.timeout) {
            watch.emplace(Connection::places(options.place));
        }
        try {
            return wait_at(Connection::open(options.place), options, deadline, output);
        } catch (const Failure& failure) {
            const bool may_come =
                failure.code() == ExitCode::kNoSupervisor || failure.code() == ExitCode::kStopping;
            if (!watch || !may_come || is_over(deadline)) {
                throw;
            }
        }
        watch->wait(deadline);
    }
}

}  // namespace shmipc::ctl
