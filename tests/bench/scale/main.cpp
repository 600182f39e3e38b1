// shmipc-bench-scale: how memory, times and the supervisor's work grow with the number of workers.
#include "base/os.hpp"
#include "guard.hpp"
#include "in_process.hpp"
#include "json_report.hpp"
#include "log_path.hpp"
#include "point.hpp"
#include "supervised.hpp"
#include "tables.hpp"
#include <shmipc/group.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace shmipc::bench;

constexpr int kUsage = 64;

ScaleRow measure_point(const Place& place, const Point& point, bool quick) {
    ScaleRow row{.point = point, .in_process = {}, .supervised = {}, .skipped = {}};
    if (point.shared_bytes() > kMostBytes) {
        char text[64];
        std::snprintf(text, sizeof text, "skipped: would need %.1f GiB",
                      static_cast<double>(point.shared_bytes()) / (1024.0 * 1024.0 * 1024.0));
        row.skipped = text;
        return row;
    }
    row.in_process = measure_in_process(place.group, point, quick);
    row.supervised = measure_supervised(place, point, quick);
    return row;
}

/// A point that a machine cannot take is reported, and no reason to go without the others.
bool measure_scale(const Place& place, bool quick, std::vector<ScaleRow>& rows) {
    bool complete = true;
    print_scale_head();
    for (const Point& point : points(quick)) {
        try {
            rows.push_back(measure_point(place, point, quick));
            print(rows.back());
        } catch (const std::runtime_error& error) {
            std::fprintf(stderr, "shmipc-bench-scale: %llu bytes, %u workers: %s\n",
                         static_cast<unsigned long long>(point.bytes), point.workers, error.what());
            complete = false;
            shmipc::Group::remove(place.group);  // what the next one would find
        }
    }
    return complete;
}

int measure(const Place& place, bool quick, const std::string& json) {
    Report report;
    const bool complete = measure_scale(place, quick, report.scale);
    for (const std::uint32_t workers : resting_groups(quick)) {
        report.at_rest.push_back(measure_rest(place, workers, quick));
    }
    print(report.at_rest);
    report.log_path = measure_log_path(place, quick);
    print(report.log_path);
    if (!json.empty()) {
        write_json(report, json);
    }
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
    bool quick = false;
    std::string json;
    CLI::App app(
        "Measures how a shmipc group grows with its number of workers: memory, times, the "
        "supervisor's work.");
    app.add_flag("--quick", quick, "Fewer and smaller groups; half a minute instead of some");
    app.add_option("--json", json, "Write the figures to this file too")->type_name("FILE");
    app.footer(
        "\nExit codes: 0 measured; 1 failed, for the reason on standard error; 64 wrong "
        "usage.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? EXIT_SUCCESS : kUsage;
    }
    shmipc::os::raise_descriptor_limit();
    return run_guarded([&](const Place& place) { return measure(place, quick, json); });
}
