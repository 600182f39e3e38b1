#include "json_reports.hpp"

#include "base/log_relay.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <sys/wait.h>

namespace shmipc::supervisor {
namespace {

namespace json = boost::json;

/// Varlink's int has 64 bits with a sign.
std::int64_t number(std::uint64_t value) noexcept {
    return static_cast<std::int64_t>(value & INT64_MAX);
}

std::int64_t microseconds(std::chrono::nanoseconds duration) noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

json::value microseconds(const std::optional<std::chrono::nanoseconds>& duration) {
    return duration ? json::value(microseconds(*duration)) : json::value(nullptr);
}

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

template <class Number>
json::value number_or_null(const std::optional<Number>& value) {
    return value ? json::value(std::int64_t{*value}) : json::value(nullptr);
}

std::string_view phase_name(Phase phase) noexcept {
    switch (phase) {
        case Phase::kIdle:
        case Phase::kStarting:
            return "starting";
        case Phase::kRunning:
            return "running";
        case Phase::kStopping:
        case Phase::kStopped:
            break;
    }
    return "stopping";
}

}  // namespace

json::object to_json(const WorkerReport& report) {
    return {{"index", to_number(report.index)},
            {"state", name_of(report.state)},
            {"pid", number_or_null(report.pid)},
            {"uptime_usec", microseconds(report.uptime)},
            {"backoff_usec", microseconds(report.backoff_left)},
            {"incarnation", report.incarnation},
            {"restarts", number(report.restarts)},
            {"deaths", number(report.deaths.sum())},
            {"hangs", number(report.hangs)},
            {"ordered_restarts", number(report.ordered_restarts)},
            {"ordered_ends", number(report.ordered_ends)},
            {"last_exit", text_or_null(report.last_exit)},
            {"written", number(report.written)},
            {"read", number(report.read)},
            {"message_age_usec", microseconds(report.message_age)},
            {"heartbeat_age_usec", microseconds(report.heartbeat_age)},
            {"pins_held", report.pins_held}};
}

json::object to_json(const Certificate& certificate) {
    json::array held;
    for (const HeldMessage& message : certificate.held) {
        held.push_back(json::object{{"channel", to_number(message.channel)},
                                    {"sequence", number(message.sequence)}});
    }
    json::array last_output;
    for (const std::string& line : certificate.last_output) {
        last_output.push_back(json::value(log::printable(line, line.size())));
    }
    const bool by_signal = certificate.status && WIFSIGNALED(*certificate.status);
    return {{"worker", to_number(certificate.worker)},
            {"time_usec", microseconds(certificate.time.time_since_epoch())},
            {"pid", certificate.pid < 0 ? json::value(nullptr) : json::value(certificate.pid)},
            {"how", name_of(kind_of(certificate))},
            {"status", number_or_null(status_of(certificate))},
            {"signal", by_signal ? json::value(name_of_signal(WTERMSIG(*certificate.status)))
                                 : json::value(nullptr)},
            {"cause", text_or_null(certificate.cause)},
            {"ordered", certificate.ordered},
            {"consequence", certificate.consequence},
            {"uptime_usec", microseconds(certificate.uptime)},
            {"incarnation", certificate.incarnation},
            {"sequence", number(certificate.sequence)},
            {"held", std::move(held)},
            {"held_left_out", number(certificate.held_left_out)},
            {"last_output", std::move(last_output)}};
}

json::object to_json(const GroupReport& report) {
    json::array workers;
    for (const WorkerReport& worker : report.workers) {
        workers.push_back(to_json(worker));
    }
    return {{"group", report.name},
            {"pid", report.pid},
            {"version", SHMIPC_VERSION},
            {"phase", phase_name(report.phase)},
            {"uptime_usec", microseconds(report.uptime)},
            {"time_usec", microseconds(report.now)},
            {"problem", text_or_null(report.problem)},
            {"config_file", text_or_null(report.config_file)},
            {"ready", report.ready()},
            {"workers", std::move(workers)}};
}

}  // namespace shmipc::supervisor
