// What the supervisor reports (supervisor/control/description.hpp), as structs. Texts in them are
// made printable already.
//
// Words such as states are kept as text: a newer supervisor may have more of them than we know.
#pragma once

#include <shmipc/ids.hpp>

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::ctl {

using Nanoseconds = std::chrono::nanoseconds;

struct WorkerReport {
    std::uint32_t index = 0;
    std::string state;
    std::optional<std::int64_t> pid;
    std::optional<Nanoseconds> uptime;
    std::optional<Nanoseconds> backoff;
    std::uint64_t incarnation = 0;
    std::uint64_t restarts = 0;
    std::uint64_t deaths = 0;
    std::uint64_t hangs = 0;
    std::uint64_t ordered_restarts = 0;
    std::uint64_t ordered_ends = 0;
    std::optional<std::string> last_exit;
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    std::optional<Nanoseconds> message_age;
    std::optional<Nanoseconds> heartbeat_age;
    std::uint64_t pins_held = 0;
};

struct StatusReport {
    std::string group;
    std::optional<std::int64_t> pid;
    std::string version;
    std::string phase;
    Nanoseconds uptime{0};
    Nanoseconds time{0};  ///< CLOCK_MONOTONIC of the answer
    std::uint64_t ready = 0;
    std::optional<std::string> problem{};  ///< who should be ready and is not, and why
    std::vector<WorkerReport> workers;     ///< by index, each once

    /// Workers of the group.
    [[nodiscard]] std::uint32_t worker_count() const noexcept {
        return static_cast<std::uint32_t>(workers.size());
    }
};

struct WatchReport {
    Nanoseconds time{0};
    std::vector<WorkerReport> workers;
};

struct HeldReport {
    std::uint32_t channel = 0;
    std::uint64_t sequence = 0;
};

struct DeathReport {
    std::uint32_t worker = 0;
    std::chrono::microseconds time{0};  ///< CLOCK_REALTIME
    std::optional<std::int64_t> pid;
    std::string how;
    std::optional<std::int64_t> status;
    std::optional<std::string> signal;
    std::optional<std::string> cause;
    bool ordered = false;
    std::string consequence;
    Nanoseconds uptime{0};
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;
    std::vector<HeldReport> held;
    std::uint64_t held_left_out = 0;
    std::vector<std::string> last_output;
};

struct LogReport {
    std::string level;
    std::string event;
    std::string message;
    std::optional<std::int64_t> worker;  ///< that the line is about
    std::uint64_t lost = 0;
};

struct ReloadReport {
    std::vector<std::string> applied;
    std::vector<WorkerIndex> rolled;
    std::vector<std::string> needs_restart;
};

// Each throws Failure (fields.hpp) for what it does not understand.
StatusReport read_status(const boost::json::object& reply);
WatchReport read_watch(const boost::json::object& reply);
std::vector<DeathReport> read_deaths(const boost::json::object& reply);
LogReport read_log(const boost::json::object& reply);
ReloadReport read_reload(const boost::json::object& reply);

}  // namespace shmipc::ctl
