#include "status.hpp"

#include "cells.hpp"
#include "connection.hpp"
#include "fields.hpp"
#include "printable.hpp"
#include "table.hpp"
#include "worker_list.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <optional>

namespace shmipc::ctl {
namespace {

bool is_among(const std::vector<WorkerIndex>& workers, std::uint32_t index) {
    return std::find(workers.begin(), workers.end(), WorkerIndex{index}) != workers.end();
}

std::vector<Span> status_row(const WorkerReport& worker) {
    return {count_cell(worker.index),     state_cell(worker),
            number_cell(worker.pid),      duration_cell(worker.uptime),
            count_cell(worker.restarts),  count_cell(worker.written),
            count_cell(worker.read),      duration_cell(worker.message_age),
            count_cell(worker.pins_held), text_cell(worker.last_exit)};
}

}  // namespace

std::vector<Line> status_lines(const StatusReport& status,
                               const std::vector<WorkerIndex>& workers) {
    Table table;
    table.columns = {{"worker", Align::kRight},   {"state"},
                     {"pid", Align::kRight},      {"uptime", Align::kRight},
                     {"restarts", Align::kRight}, {"written", Align::kRight},
                     {"read", Align::kRight},     {"message age", Align::kRight},
                     {"pins", Align::kRight},     {"last exit"}};
    for (const WorkerReport& worker : status.workers) {
        if (is_among(workers, worker.index)) {
            table.rows.push_back(status_row(worker));
        }
    }
    std::vector<Line> lines = lay_out(table, 0);
    lines.insert(lines.begin(),
                 plain_line("group " + status.group + ": " + describe_group(status)));
    if (status.problem) {
        lines.insert(lines.begin() + 1, plain_line(*status.problem, Style::kBad));
    }
    return lines;
}

boost::json::object select_workers(boost::json::object reply,
                                   const std::vector<WorkerIndex>& workers) {
    if (auto* const list = reply.if_contains("workers"); list != nullptr && list->is_array()) {
        boost::json::array selected;
        for (const Fields& worker : Fields(reply).objects("workers")) {
            if (is_among(workers, worker.worker_index("index"))) {
                selected.emplace_back(worker.raw());
            }
        }
        *list = std::move(selected);
    }
    return reply;
}

bool is_degraded(const WorkerReport& worker) {
    return worker.state != "running" && worker.state != "stopped";
}

bool has_failed(const WorkerReport& worker) {
    return worker.state == "failed" || worker.state == "backoff" || worker.state == "aborting";
}

std::string describe_degraded(const std::vector<WorkerReport>& workers) {
    constexpr std::size_t kMostNamed = 8;
    std::string text;
    std::size_t count = 0;
    for (const WorkerReport& worker : workers) {
        if (is_degraded(worker) && ++count <= kMostNamed) {
            text += (text.empty() ? "worker " : ", worker ") + std::to_string(worker.index) +
                    " is " + worker.state;
        }
    }
    return count <= kMostNamed ? text
                               : text + " and " + std::to_string(count - kMostNamed) + " more";
}

void status(const Options& options, Output& output) {
    boost::json::object reply = Connection::open(options.place).call("Status");
    const StatusReport report = read_status(reply);
    std::vector<WorkerIndex> shown;
    std::vector<WorkerReport> asked;
    for (const WorkerIndex index : parse_worker_list(options.workers, report.worker_count())) {
        const WorkerReport& worker = report.workers[to_number(index)];
        asked.push_back(worker);
        if (!options.failed_only || has_failed(worker)) {
            shown.push_back(index);
        }
    }
    if (options.json) {
        output.write(json_line(select_workers(std::move(reply), shown)));
    } else if (options.failed_only && shown.empty()) {
        output.write("group " + report.group + ": no worker has failed\n");
    } else {
        output.write(status_lines(report, shown));
    }
    if (const std::string degraded = describe_degraded(asked); options.check && !degraded.empty()) {
        throw Failure(ExitCode::kDegraded, "not all workers are ready: " + degraded);
    }
}

void version(const Options& options, Output& output) {
    constexpr std::chrono::milliseconds kPatience{3000};
    std::optional<StatusReport> report;
    std::string why_not = "it does not answer";
    try {
        Connection connection = Connection::open(options.place);
        connection.call_more("Status");
        if (const auto reply = connection.receive(kPatience)) {
            report = read_status(reply->parameters);
        }
    } catch (const Failure& failure) {
        why_not = failure.what();
    }
    if (options.json) {
        output.write(json_line(boost::json::object{
            {"client", SHMIPC_VERSION},
            {"supervisor", report ? boost::json::value(report->version) : boost::json::value()}}));
        return;
    }
    output.write("shmipcctl " SHMIPC_VERSION "\n");
    output.write("supervisor " +
                 (report ? report->version + " (group " + report->group + ", pid " +
                               number_cell(report->pid).text + ")"
                         : "unknown: " + why_not) +
                 '\n');
}

}  // namespace shmipc::ctl
