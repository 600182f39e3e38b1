#include "metrics/metrics.hpp"

#include "made_up_report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

bool has_line(const std::string& text, const std::string& line) {
    const auto lines = lines_of(text);
    return std::find(lines.begin(), lines.end(), line) != lines.end();
}

GroupReport small_group() {
    GroupReport group;
    group.name = "g";
    group.phase = Phase::kStarting;
    group.uptime = 1500ms;
    group.reloads = 2;
    WorkerReport worker;
    worker.index = WorkerIndex{1};
    worker.state = State::kRunning;
    worker.uptime = 2s + 5ns;
    worker.incarnation = 3;
    worker.restarts = 4;
    worker.deaths.killed = 5;
    worker.hangs = 6;
    worker.ordered_restarts = 10;
    worker.ordered_ends = 11;
    worker.written = std::numeric_limits<std::uint64_t>::max();
    worker.read = 8;
    worker.heartbeat_age = 20ms;
    worker.pins_held = 9;
    group.workers.push_back(worker);
    return group;
}

/// Of the states whatever there are, one line each.
std::string state_lines() {
    std::string lines;
    for (std::size_t i = 0; i < kStates; ++i) {
        const auto state = static_cast<State>(i);
        lines += R"(shmipc_worker_state{group="g",worker="1",state=")" +
                 std::string(name_of(state)) + "\"} " + (state == State::kRunning ? "1\n" : "0\n");
    }
    return lines;
}

constexpr const char* kSmallHead =
    R"(# HELP shmipc_build_info Version of the supervisor; always 1.
# TYPE shmipc_build_info gauge
shmipc_build_info{group="g",version=")" SHMIPC_VERSION R"("} 1
# HELP shmipc_supervisor_uptime_seconds Time since the start of the supervisor.
# TYPE shmipc_supervisor_uptime_seconds gauge
shmipc_supervisor_uptime_seconds{group="g"} 1.5
# HELP shmipc_supervisor_phase 1 for the phase that the group is in.
# TYPE shmipc_supervisor_phase gauge
shmipc_supervisor_phase{group="g",phase="idle"} 0
shmipc_supervisor_phase{group="g",phase="starting"} 1
shmipc_supervisor_phase{group="g",phase="running"} 0
shmipc_supervisor_phase{group="g",phase="stopping"} 0
shmipc_supervisor_phase{group="g",phase="stopped"} 0
# HELP shmipc_workers Workers of the group, in whatever state.
# TYPE shmipc_workers gauge
shmipc_workers{group="g"} 1
# HELP shmipc_workers_ready Workers that are running and ready.
# TYPE shmipc_workers_ready gauge
shmipc_workers_ready{group="g"} 1
# HELP shmipc_reloads_total Times that the configuration was read again.
# TYPE shmipc_reloads_total counter
shmipc_reloads_total{group="g",result="succeeded"} 2
shmipc_reloads_total{group="g",result="failed"} 0
# HELP shmipc_worker_state 1 for the state that the worker is in.
# TYPE shmipc_worker_state gauge
)";
constexpr const char* kSmallTail =
    R"(# HELP shmipc_worker_up Whether the worker is running and ready.
# TYPE shmipc_worker_up gauge
shmipc_worker_up{group="g",worker="1"} 1
# HELP shmipc_worker_uptime_seconds Time since the launch of the worker's process.
# TYPE shmipc_worker_uptime_seconds gauge
shmipc_worker_uptime_seconds{group="g",worker="1"} 2.000000005
# HELP shmipc_worker_backoff_seconds Time until the worker is started again.
# TYPE shmipc_worker_backoff_seconds gauge
# HELP shmipc_worker_incarnation Lives of the worker so far, over all supervisors; 0: it has never attached.
# TYPE shmipc_worker_incarnation gauge
shmipc_worker_incarnation{group="g",worker="1"} 3
# HELP shmipc_worker_restarts_total Restarts of the worker by this supervisor after deaths.
# TYPE shmipc_worker_restarts_total counter
shmipc_worker_restarts_total{group="g",worker="1"} 4
# HELP shmipc_worker_deaths_total Deaths of the worker under this supervisor that nobody ordered, by how it died.
# TYPE shmipc_worker_deaths_total counter
shmipc_worker_deaths_total{group="g",worker="1",how="exited"} 0
shmipc_worker_deaths_total{group="g",worker="1",how="killed"} 5
shmipc_worker_deaths_total{group="g",worker="1",how="dumped"} 0
shmipc_worker_deaths_total{group="g",worker="1",how="out_of_memory"} 0
shmipc_worker_deaths_total{group="g",worker="1",how="not_started"} 0
shmipc_worker_deaths_total{group="g",worker="1",how="unknown"} 0
# HELP shmipc_worker_hangs_total Times that the worker was aborted because it hung.
# TYPE shmipc_worker_hangs_total counter
shmipc_worker_hangs_total{group="g",worker="1"} 6
# HELP shmipc_worker_ordered_restarts_total Starts of the worker by order, after its first.
# TYPE shmipc_worker_ordered_restarts_total counter
shmipc_worker_ordered_restarts_total{group="g",worker="1"} 10
# HELP shmipc_worker_ordered_ends_total Ends of the worker by order, which are no deaths.
# TYPE shmipc_worker_ordered_ends_total counter
shmipc_worker_ordered_ends_total{group="g",worker="1"} 11
# HELP shmipc_worker_messages_written_total Messages that the worker has published, over all its lives.
# TYPE shmipc_worker_messages_written_total counter
shmipc_worker_messages_written_total{group="g",worker="1"} 18446744073709551615
# HELP shmipc_worker_messages_read_total New messages that the worker has acquired, over all its lives.
# TYPE shmipc_worker_messages_read_total counter
shmipc_worker_messages_read_total{group="g",worker="1"} 8
# HELP shmipc_worker_message_age_seconds Age of the worker's latest message.
# TYPE shmipc_worker_message_age_seconds gauge
# HELP shmipc_worker_heartbeat_age_seconds Time since the worker last gave a sign of life.
# TYPE shmipc_worker_heartbeat_age_seconds gauge
shmipc_worker_heartbeat_age_seconds{group="g",worker="1"} 0.02
# HELP shmipc_worker_pins_held Messages of others that the worker has in use.
# TYPE shmipc_worker_pins_held gauge
shmipc_worker_pins_held{group="g",worker="1"} 9
# HELP shmipc_control_clients Clients connected to the control socket.
# TYPE shmipc_control_clients gauge
shmipc_control_clients{group="g"} 1
# HELP shmipc_control_connections_total Clients that the control socket has accepted.
# TYPE shmipc_control_connections_total counter
shmipc_control_connections_total{group="g"} 2
# HELP shmipc_control_calls_total Calls that clients of the control socket have made.
# TYPE shmipc_control_calls_total counter
shmipc_control_calls_total{group="g"} 3
# HELP shmipc_control_dropped_total Clients dropped for rubbish, floods, stalls or idleness.
# TYPE shmipc_control_dropped_total counter
shmipc_control_dropped_total{group="g"} 4
# HELP shmipc_control_turned_away_total Clients turned away because there were too many.
# TYPE shmipc_control_turned_away_total counter
shmipc_control_turned_away_total{group="g"} 5
# HELP process_open_fds Open file descriptors of the supervisor.
# TYPE process_open_fds gauge
process_open_fds{group="g"} 10
# HELP process_max_fds Most file descriptors it may have open.
# TYPE process_max_fds gauge
# HELP process_resident_memory_bytes Resident memory of the supervisor in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes{group="g"} 4096
# HELP process_cpu_seconds_total User and system CPU time that the supervisor has used.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total{group="g"} 0.125
# HELP process_start_time_seconds Start of the supervisor, in seconds since 1970.
# TYPE process_start_time_seconds gauge
)";

}  // namespace

TEST_CASE("metrics: a small report becomes this text, letter by letter") {
    const ControlReport control{
        .clients = 1, .connections = 2, .calls = 3, .dropped = 4, .turned_away = 5};
    ProcessReport process;
    process.open_files = 10;
    process.resident_bytes = 4096;
    process.cpu_time = 125ms;
    CHECK(metrics_text(small_group(), control, process) == kSmallHead + state_lines() + kSmallTail);
}

TEST_CASE("metrics: what could end a label's value early is escaped") {
    GroupReport group = small_group();
    group.name = "a\"b\\c\nd";
    const std::string text = metrics_text(group, {});
    CHECK(has_line(text, R"(shmipc_workers{group="a\"b\\c\nd"} 1)"));
    for (const std::string& line : lines_of(text)) {
        CAPTURE(line);
        CHECK((line.front() == '#' || line.find(R"({group="a\"b\\c\nd")") != std::string::npos));
    }
}

TEST_CASE("metrics: times are exact decimals, whatever a hostile worker makes of them") {
    const std::map<std::chrono::nanoseconds, std::string> cases{
        {0ns, "0"},
        {1ns, "0.000000001"},
        {10ns, "0.00000001"},
        {999'999'999ns, "0.999999999"},
        {1s, "1"},
        {10s, "10"},
        {100'000s, "100000"},
        {1s + 100ms, "1.1"},
        {-1ns, "-0.000000001"},
        {std::chrono::nanoseconds::max(), "9223372036.854775807"},
        {std::chrono::nanoseconds::min(), "-9223372036.854775808"},
    };
    for (const auto& c : cases) {
        const std::string& expected = c.second;
        GroupReport group = small_group();
        group.workers[0].message_age = c.first;
        CAPTURE(expected);
        CHECK(has_line(metrics_text(group, {}),
                       R"(shmipc_worker_message_age_seconds{group="g",worker="1"} )" + expected));
    }
}

TEST_CASE("metrics: each family stands once, with its help and type before all its samples") {
    const std::string text = metrics_text(test::report_of_all_states(), {}, process_report());
    std::set<std::string> families;
    std::string current;
    std::string type;
    std::size_t samples = 0;
    for (const std::string& line : lines_of(text)) {
        CAPTURE(line);
        std::istringstream words(line);
        std::string hash;
        std::string keyword;
        std::string name;
        if (line.rfind("# HELP ", 0) == 0) {
            words >> hash >> keyword >> current;
            CHECK(families.insert(current).second);
            CHECK(line.size() > 8 + current.size());
            type.clear();
        } else if (line.rfind("# TYPE ", 0) == 0) {
            words >> hash >> keyword >> name >> type;
            CHECK(name == current);
            CHECK((type == "counter" || type == "gauge"));
            const bool total = name.size() > 6 && name.substr(name.size() - 6) == "_total";
            CHECK(total == (type == "counter"));
        } else {
            CHECK(line.substr(0, line.find('{')) == current);
            CHECK_FALSE(type.empty());
            CHECK(line.find("group=\"made-up\"") != std::string::npos);
            const bool of_worker = current.rfind("shmipc_worker_", 0) == 0;
            CHECK(of_worker == (line.find("worker=\"") != std::string::npos));
            ++samples;
        }
    }
    CHECK(families.size() == 31);
    CHECK(samples > families.size());
    CHECK(text.back() == '\n');
}

TEST_CASE("metrics: a worker is in one state, and up only when it runs") {
    const GroupReport group = test::report_of_all_states();
    CHECK(group.ready() == 1);
    const std::string text = metrics_text(group, {});
    for (const WorkerReport& worker : group.workers) {
        const std::string number = std::to_string(to_number(worker.index));
        const std::string state(name_of(worker.state));
        CAPTURE(state);
        const std::string family = R"(shmipc_worker_state{group="made-up",worker=")" + number;
        CHECK(has_line(text, family + R"(",state=")" + state + "\"} 1"));
        std::size_t zeros = 0;
        for (const std::string& line : lines_of(text)) {
            zeros += line.rfind(family + "\"", 0) == 0 && line.back() == '0' ? 1U : 0U;
        }
        CHECK(zeros == kStates - 1);
        CHECK(has_line(text, R"(shmipc_worker_up{group="made-up",worker=")" + number + "\"} " +
                                 (worker.state == State::kRunning ? "1" : "0")));
    }
}

TEST_CASE("metrics: the report of this process is that of this process") {
    const ProcessReport report = process_report();
    REQUIRE(report.open_files);
    CHECK(*report.open_files >= 3);
    CHECK(*report.open_files < 1000);
    if (report.most_open_files) {
        CHECK(*report.most_open_files >= *report.open_files);
    }
    REQUIRE(report.resident_bytes);
    CHECK(*report.resident_bytes > 500'000);
    REQUIRE(report.cpu_time);
    CHECK(*report.cpu_time > 0ns);
    REQUIRE(report.start_time);
    const auto age = std::chrono::system_clock::now().time_since_epoch() - *report.start_time;
    // To the kernel's accuracy: boot time is told in whole seconds.
    CHECK(age > -2s);
    CHECK(age < 1h);
}
