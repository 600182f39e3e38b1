#include "orders.hpp"

#include "connection.hpp"
#include "fields.hpp"
#include "printable.hpp"
#include "signals.hpp"
#include "worker_list.hpp"

#include <string>
#include <utility>

namespace shmipc::ctl {
namespace {

/// The workers that the command line names, in the group that `connection` leads to.
std::vector<WorkerIndex> named_workers(const Options& options, Connection& connection) {
    const StatusReport report = read_status(connection.call("Status"));
    return parse_worker_list(options.workers, report.worker_count());
}

struct Order {
    const char* method;
    const char* done;
    const char* begun;  ///< without waiting
};

Order order_of(Command command) noexcept {
    switch (command) {
        case Command::kStart:
            return {"Start", "started ", "starting "};
        case Command::kStop:
            return {"Stop", "stopped ", "stopping "};
        default:
            return {"Restart", "restarted ", "restarting "};
    }
}

void append_list(std::vector<Line>& lines, const std::string& title,
                 const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        text += (text.empty() ? "" : ", ") + item;
    }
    if (!text.empty()) {
        lines.push_back(plain_line(title + text));
    }
}

}  // namespace

void order(const Options& options, Output& output) {
    Connection connection = Connection::open(options.place);
    const auto workers = named_workers(options, connection);
    const Order order = order_of(options.command);
    connection.call_and_wait(order.method, {{"workers", to_json(workers)}, {"wait", options.wait}});
    output.write((options.wait ? order.done : order.begun) + describe_workers(workers) + '\n');
}

void kill(const Options& options, Output& output) {
    Connection connection = Connection::open(options.place);
    const auto workers = named_workers(options, connection);
    connection.call("Kill", {{"workers", to_json(workers)}, {"signal", options.signal}});
    output.write("sent " + describe_signal(options.signal) + " to " + describe_workers(workers) +
                 '\n');
}

std::vector<Line> reload_lines(const ReloadReport& report) {
    std::vector<Line> lines;
    append_list(lines, "applied: ", report.applied);
    if (!report.rolled.empty()) {
        lines.push_back(
            plain_line("restarted with the new settings: " + describe_workers(report.rolled)));
    }
    if (!report.needs_restart.empty()) {
        append_list(lines, "takes effect when the supervisor is restarted: ", report.needs_restart);
        lines.back().front().style = Style::kWaiting;
    }
    if (lines.empty()) {
        lines.push_back(plain_line("nothing has changed"));
    }
    return lines;
}

void reload(const Options& options, Output& output) {
    const boost::json::object reply = Connection::open(options.place).call_and_wait("Reload");
    if (options.json) {
        output.write(json_line(reply));
    } else {
        std::vector<Line> lines = reload_lines(read_reload(reply));
        for (const std::string& warning : Fields(reply).texts("warnings")) {
            lines.push_back(plain_line("warning: " + printable(warning)));
            lines.back().front().style = Style::kWaiting;
        }
        output.write(lines);
    }
}

void log_level(const Options& options, Output& output) {
    boost::json::object parameters;
    if (!options.level.empty()) {
        parameters["level"] = options.level;
    }
    const boost::json::object reply =
        Connection::open(options.place).call("LogLevel", std::move(parameters));
    if (options.json) {
        output.write(json_line(reply));
    } else {
        output.write(printable(Fields(reply).text("level").value_or("unknown")) + '\n');
    }
}

void metrics(const Options& options, Output& output) {
    const boost::json::object reply = Connection::open(options.place).call("Metrics");
    output.write(printable_lines(Fields(reply).text("text").value_or("")));
}

}  // namespace shmipc::ctl
