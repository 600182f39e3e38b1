#include "watch.hpp"

#include "base/os.hpp"
#include "changes.hpp"
#include "connection.hpp"
#include "messages.hpp"
#include "printable.hpp"
#include "worker_list.hpp"
#include <shmipc/error.hpp>
#include <shmipc/observer.hpp>

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include <poll.h>

namespace shmipc::ctl {
namespace {

/// Reads messages, or says once why it cannot.
class MessageReader {
  public:
    explicit MessageReader(const std::string& group) {
        try {
            // Copied: a worker that truncates its object must not end the watch of the others.
            observer_ = Observer::open(group, Observer::Reading::kCopied);
        } catch (const Error& error) {
            std::fprintf(stderr, "shmipcctl: only sequence numbers are shown: %s\n", error.what());
        }
    }

    /// Prints a message that the supervisor has told of, unless it was shown already.
    void show(const WorkerReport& report, bool json, Output& output) {
        const WorkerIndex worker{report.index};
        if (observer_ && report.index < observer_->workers() &&
            observer_->read(worker, message_) == Errc::kOk) {
            // The supervisor is a little behind: it may tell later of what was shown already.
            if (std::exchange(shown_[report.index], message_.info.sequence) ==
                message_.info.sequence) {
                return;
            }
            const Observer::Payload payload = observer_->payload(worker);
            if (json) {
                write_message_json(worker, message_, payload,
                                   [&](std::string_view piece) { output.write(piece); });
            } else {
                output.write(summarize_message(worker, message_, payload) + '\n');
            }
        } else if (json) {
            output.write(json_line(
                boost::json::object{{"worker", report.index}, {"sequence", report.written}}));
        } else {
            output.write("worker " + std::to_string(report.index) + ": message " +
                         std::to_string(report.written) + '\n');
        }
    }

  private:
    std::optional<Observer> observer_;
    Observer::Message message_;
    std::map<std::uint32_t, std::uint64_t> shown_;  ///< sequence by worker
};

std::string state_json(const WorkerReport& worker, const Change& change) {
    boost::json::object object{{"worker", worker.index}, {"state", worker.state}};
    if (change.from) {
        object["from"] = *change.from;
    }
    if (worker.last_exit) {
        object["last_exit"] = *worker.last_exit;
    }
    return json_line(object);
}

/// Sleeps until the connection has something, or the reader of the output is gone.
void wait_for(const Connection& connection, const Output& output) {
    pollfd ends[]{{.fd = connection.descriptor(), .events = POLLIN, .revents = 0},
                  {.fd = output.descriptor(), .events = 0, .revents = 0}};
    os::require("poll", [&] { return ::poll(ends, std::size(ends), -1); });
    if ((ends[1].revents & (POLLERR | POLLHUP)) != 0) {
        throw ReaderGone();
    }
}

}  // namespace

void watch(const Options& options, Output& output) {
    Connection connection = Connection::open(options.place);
    const StatusReport status = read_status(connection.call("Status"));
    const auto workers = parse_worker_list(options.workers, status.worker_count());
    MessageReader reader(status.group);
    ChangeTracker tracker;
    const auto interval =
        std::chrono::duration_cast<std::chrono::microseconds>(options.interval).count();
    connection.call_more("Watch", {{"workers", to_json(workers)}, {"interval_usec", interval}});
    for (;;) {
        const auto reply = connection.receive(std::chrono::milliseconds{0});
        if (!reply) {
            wait_for(connection, output);
            continue;
        }
        for (const WorkerReport& worker : read_watch(reply->parameters).workers) {
            const Change change = tracker.update(worker);
            if (change.message) {
                reader.show(worker, options.json, output);
            }
            if (change.state) {
                output.write(options.json ? state_json(worker, change)
                                          : describe_state_change(worker, change) + '\n');
            }
        }
        if (!reply->continues) {
            throw Failure(ExitCode::kNoSupervisor, "the supervisor has ended the watch");
        }
    }
}

}  // namespace shmipc::ctl
