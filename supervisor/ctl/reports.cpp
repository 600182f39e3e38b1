#include "reports.hpp"

#include "fields.hpp"
#include "printable.hpp"

#include <algorithm>

namespace shmipc::ctl {
namespace {

std::string word(const Fields& fields, std::string_view name) {
    return printable(fields.text(name).value_or("unknown"));
}

std::optional<std::string> optional_text(const Fields& fields, std::string_view name) {
    const auto text = fields.text(name);
    return text ? std::optional(printable(*text)) : std::nullopt;
}

std::vector<std::string> printable_texts(const Fields& fields, std::string_view name) {
    std::vector<std::string> texts = fields.texts(name);
    for (std::string& text : texts) {
        text = printable(text);
    }
    return texts;
}

WorkerReport read_worker(const Fields& fields) {
    WorkerReport worker;
    worker.index = fields.worker_index("index");
    worker.state = word(fields, "state");
    worker.pid = fields.number("pid");
    worker.uptime = fields.duration("uptime_usec");
    worker.backoff = fields.duration("backoff_usec");
    worker.incarnation = fields.count("incarnation");
    worker.restarts = fields.count("restarts");
    worker.deaths = fields.count("deaths");
    worker.hangs = fields.count("hangs");
    // An older supervisor has not told these apart.
    worker.ordered_restarts = fields.count("ordered_restarts");
    worker.ordered_ends = fields.count("ordered_ends");
    worker.last_exit = optional_text(fields, "last_exit");
    worker.written = fields.count("written");
    worker.read = fields.count("read");
    worker.message_age = fields.duration("message_age_usec");
    worker.heartbeat_age = fields.duration("heartbeat_age_usec");
    worker.pins_held = fields.count("pins_held");
    return worker;
}

std::vector<WorkerReport> read_workers(const Fields& fields) {
    std::vector<WorkerReport> workers;
    for (const Fields& worker : fields.objects("workers")) {
        workers.push_back(read_worker(worker));
    }
    std::stable_sort(workers.begin(), workers.end(),
                     [](const auto& a, const auto& b) { return a.index < b.index; });
    workers.erase(std::unique(workers.begin(), workers.end(),
                              [](const auto& a, const auto& b) { return a.index == b.index; }),
                  workers.end());
    return workers;
}

DeathReport read_death(const Fields& fields) {
    DeathReport death;
    death.worker = fields.worker_index("worker");
    death.time = std::chrono::microseconds{fields.number("time_usec").value_or(0)};
    death.pid = fields.number("pid");
    death.how = word(fields, "how");
    death.status = fields.number("status");
    death.signal = optional_text(fields, "signal");
    death.cause = optional_text(fields, "cause");
    const auto* const ordered = fields.raw().if_contains("ordered");
    death.ordered = ordered != nullptr && ordered->is_bool() && ordered->get_bool();
    death.consequence = optional_text(fields, "consequence").value_or("");
    death.uptime = fields.duration("uptime_usec").value_or(Nanoseconds{0});
    death.incarnation = fields.count("incarnation");
    death.sequence = fields.count("sequence");
    for (const Fields& held : fields.objects("held")) {
        death.held.push_back({held.worker_index("channel"), held.count("sequence")});
    }
    death.held_left_out = fields.count("held_left_out");
    death.last_output = printable_texts(fields, "last_output");
    return death;
}

}  // namespace

StatusReport read_status(const boost::json::object& reply) {
    const Fields fields(reply);
    StatusReport status;
    status.group = word(fields, "group");
    status.pid = fields.number("pid");
    status.version = word(fields, "version");
    status.phase = word(fields, "phase");
    status.uptime = fields.duration("uptime_usec").value_or(Nanoseconds{0});
    status.time = fields.duration("time_usec").value_or(Nanoseconds{0});
    status.ready = fields.count("ready");
    status.problem = optional_text(fields, "problem");
    status.workers = read_workers(fields);
    return status;
}

WatchReport read_watch(const boost::json::object& reply) {
    const Fields fields(reply);
    return {fields.duration("time_usec").value_or(Nanoseconds{0}), read_workers(fields)};
}

std::vector<DeathReport> read_deaths(const boost::json::object& reply) {
    std::vector<DeathReport> deaths;
    for (const Fields& death : Fields(reply).objects("deaths")) {
        deaths.push_back(read_death(death));
    }
    return deaths;
}

LogReport read_log(const boost::json::object& reply) {
    const Fields fields(reply);
    return {word(fields, "level"), word(fields, "event"),
            printable_lines(fields.text("message").value_or("")), fields.number("worker"),
            fields.count("lost")};
}

ReloadReport read_reload(const boost::json::object& reply) {
    const Fields fields(reply);
    ReloadReport report;
    report.applied = printable_texts(fields, "applied");
    for (const std::uint32_t worker : fields.worker_indices("rolled")) {
        report.rolled.push_back(WorkerIndex{worker});
    }
    report.needs_restart = printable_texts(fields, "needs_restart");
    return report;
}

}  // namespace shmipc::ctl
