#include "json_output.hpp"

#include <boost/json/src.hpp>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace shmipc::bench {

namespace {

namespace json = boost::json;

json::object to_json(const Machine& machine) {
    return {{"cpu", machine.cpu},
            {"cpus", json::value_from(machine.cores)},
            {"kernel", machine.kernel},
            {"compiler", machine.compiler}};
}

json::object to_json(const Result& result) {
    const Summary& sum = result.summary;
    json::object object{{"workload", result.workload},
                        {"peer", result.peer},
                        {"bytes", result.setting.bytes},
                        {"consumers", result.setting.consumers},
                        {"unit", result.unit}};
    // What was not measured has no figure, rather than a wrong one.
    const auto figure = [&sum](double value) {
        return sum.repeats > 0 ? json::value(value) : json::value(nullptr);
    };
    object["median"] = figure(sum.median);
    object["p99"] = figure(sum.p99);
    object["min"] = figure(sum.min);
    object["max"] = figure(sum.max);
    object["ping_pong"] = figure(sum.ping_pong_ns);
    object["repeats"] = sum.repeats;
    object["far"] = sum.repeats > 0 && sum.only_far;
    object["far_left_out"] = sum.only_far ? 0 : sum.far;
    object["impossible"] = result.impossible;
    object["note"] = result.note;
    object["torn"] = result.torn;
    object["reversed"] = result.reversed;
    object["quantiles"] = json::value_from(sum.quantiles);
    return object;
}

json::object to_json(const Target& target) {
    return {{"line", target.line},   {"measured", target.measured},
            {"bound", target.bound}, {"bound_text", target.bound_text},
            {"met", target.met},     {"unit", target.unit}};
}

json::object to_json(const RunResult& run, const std::vector<Target>& targets) {
    json::object primitives;
    for (const auto& [name, sum] : run.primitives) {
        primitives[name] = json::object{
            {"unit", "ns"}, {"median", sum.median}, {"p99", sum.p99}, {"min", sum.min}};
    }
    json::array results;
    for (const Result& result : run.results) {
        results.push_back(to_json(result));
    }
    json::array judged;
    for (const Target& target : targets) {
        judged.push_back(to_json(target));
    }
    return {{"machine", to_json(run.machine)},
            {"quick", run.quick},
            {"primitives", std::move(primitives)},
            {"results", std::move(results)},
            {"targets", std::move(judged)}};
}

}  // namespace

void write_json(const std::string& path, const RunResult& run, const std::vector<Target>& targets) {
    std::ofstream file(path);
    file << json::serialize(to_json(run, targets)) << '\n';
    file.close();
    if (!file) {
        throw std::system_error(errno, std::generic_category(), "write " + path);
    }
}

}  // namespace shmipc::bench
