#include "json_report.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fstream>
#include <stdexcept>

namespace shmipc::bench {
namespace {

/// Without the figures that there are not.
boost::json::object to_json(const ScaleRow& row) {
    boost::json::object object{{"bytes", row.point.bytes},
                               {"workers", row.point.workers},
                               {"slots", row.point.config("any").geometry().slots},
                               {"shared_bytes", row.point.shared_bytes()}};
    const auto add = [&object](const char* name, auto value) { object.emplace(name, value); };
    if (row.in_process.create_ms > 0) {
        add("create_ms", row.in_process.create_ms);
        add("attach_ms", row.in_process.attach_ms);
        add("publish_ns", row.in_process.publish_ns);
        add("acquire_ns", row.in_process.acquire_ns);
    }
    if (row.supervised.start_ms > 0) {
        add("start_ms", row.supervised.start_ms);
        add("start_cpu_ms", row.supervised.start_cpu_ms);
        add("stop_ms", row.supervised.stop_ms);
        add("respawns", row.supervised.respawns);
        add("respawn_p50_ms", row.supervised.respawn_p50_ms);
        add("respawn_p99_ms", row.supervised.respawn_p99_ms);
        add("supervisor_rss_kib", row.supervised.supervisor_rss_kib);
        add("worker_rss_kib", row.supervised.worker_rss_kib);
        add("worker_pss_kib", row.supervised.worker_pss_kib);
        add("worker_tables_kib", row.supervised.worker_tables_kib);
        add("pass_us", row.supervised.pass_us);
    }
    if (!row.skipped.empty()) {
        object.emplace("skipped", row.skipped);
    }
    return object;
}

boost::json::object to_json(const RestRow& row) {
    return {{"workers", row.workers},
            {"rss_kib", row.rss_kib},
            {"wakeups_per_second", row.wakeups_per_second},
            {"cpu_ms_per_second", row.cpu_ms_per_second},
            {"workers_cpu_ms_per_second", row.workers_cpu_ms_per_second}};
}

boost::json::object to_json(const LogRow& row) {
    return {{"how", row.how},
            {"ns_per_exchange", row.ns_per_exchange},
            {"lines", row.lines},
            {"dropped", row.dropped}};
}

template <class Row>
boost::json::array to_json(const std::vector<Row>& rows) {
    boost::json::array array;
    for (const Row& row : rows) {
        array.emplace_back(to_json(row));
    }
    return array;
}

}  // namespace

void write_json(const Report& report, const std::string& file) {
    const boost::json::object object{{"scale", to_json(report.scale)},
                                     {"at_rest", to_json(report.at_rest)},
                                     {"log_path", to_json(report.log_path)}};
    std::ofstream out(file);
    out << boost::json::serialize(object) << '\n';
    out.close();
    if (!out) {
        throw std::runtime_error("cannot write " + file);
    }
}

}  // namespace shmipc::bench
