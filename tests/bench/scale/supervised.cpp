#include "supervised.hpp"

#include "process_figures.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace shmipc::bench {
namespace {

constexpr std::size_t kLastWords = 2000;
/// The supervisor passes over its workers once a second.
constexpr std::chrono::seconds kPassEvery{1};

/// The workers' messages are hours apart: what they do is beat their hearts. A first death is
/// restarted at once; stable_after makes each death a first one, unless it comes before the
/// supervisor has seen that its worker was ready, and `initial` is to be short for that. Some more
/// restarts than we cause: a machine that is short of something is not tried for ever.
std::string write_config(const Place& place, const Point& point) {
    const std::string path = place.directory + "/scale.toml";
    std::ofstream(path)
        << "workers = " << point.workers << "\ncapacity = " << point.bytes << "\n"
        << "[worker]\ncommand = [\"" SHMIPC_WORKER
           "\", \"--group\", \"{group}\", \"--workers\", \"{workers}\", \"--index\", "
           "\"{index}\", \"--min-interval\", \"1h\", \"--max-interval\", \"1h\"]\n"
        << "start_limit = \"5m\"\nstop_grace = \"1m\"\n"
        << "[restart]\ninitial = \"1ms\"\nfactor = 1.0\nmax_restarts = 200\nstable_after = \"0s\"\n"
        << "[log]\nlevel = \"info\"\nformat = \"json\"\n";
    return path;
}

/// How a process, and those below it, spend a time in which nothing happens.
struct Rest {
    double seconds = 0;
    double sleeps = 0;
    double cpu_us = 0;
    double workers_cpu_ms = 0;
};

Rest watch_rest(const RestingGroup& group, std::chrono::seconds time) {
    const pid_t pid = group.supervisor();
    const double workers_before = group.workers_cpu_ms();
    const auto start = Clock::now();
    const std::uint64_t sleeps = sleeps_of(pid);
    const auto cpu = cpu_of(pid);
    std::this_thread::sleep_for(time);  // there is no event: that is what is measured
    Rest rest;
    rest.cpu_us = count<std::chrono::microseconds>(cpu_of(pid) - cpu);
    rest.sleeps = static_cast<double>(sleeps_of(pid) - sleeps);
    rest.seconds = count<std::chrono::seconds>(Clock::now() - start);
    rest.workers_cpu_ms = group.workers_cpu_ms() - workers_before;
    return rest;
}

}  // namespace

RestingGroup::RestingGroup(const Place& place, const Point& point)
    : begin_(Clock::now()),
      process_({SHMIPC_SUPERVISOR, "--config", write_config(place, point), "--group", place.group,
                "--runtime-dir", place.directory}),
      pids_(point.workers, -1) {
    while (next_line().event != "supervisor_ready") {
    }
    start_ms_ = milliseconds_since(begin_);
}

void RestingGroup::fail(const std::string& what) const {
    const std::string& said = process_.output();
    throw std::runtime_error(what + "; the last of its log:\n" +
                             said.substr(said.size() - std::min(said.size(), kLastWords)));
}

RestingGroup::Line RestingGroup::next_line() {
    const auto text = process_.wait_for_line("");
    if (!text) {
        fail("the supervisor ended, or said nothing for a minute");
    }
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(*text, error);
    const boost::json::object* const fields = error ? nullptr : value.if_object();
    if (fields == nullptr || !fields->contains("SHMIPC_EVENT")) {
        return {};
    }
    Line line{.event = std::string(fields->at("SHMIPC_EVENT").as_string()), .worker = {}};
    if (const auto* const worker = fields->if_contains("SHMIPC_WORKER")) {
        line.worker = static_cast<std::size_t>(worker->as_int64());
    }
    if (line.event == "worker_started" && line.worker) {
        pids_.at(*line.worker) = static_cast<pid_t>(fields->at("SHMIPC_WORKER_PID").as_int64());
    }
    for (const char* const bad : {"supervisor_failed", "worker_failed", "worker_killed",
                                  "worker_hung", "worker_exec_failed"}) {
        if (line.event == bad) {
            throw std::runtime_error(std::string(fields->at("MESSAGE").as_string()));
        }
    }
    return line;
}

double RestingGroup::workers_cpu_ms() const {
    std::chrono::nanoseconds sum{0};
    for (const pid_t pid : pids_) {
        sum += cpu_of(pid);
    }
    return count<std::chrono::milliseconds>(sum);
}

std::vector<double> RestingGroup::respawn(std::size_t most, std::chrono::seconds budget) {
    std::vector<double> times;
    const auto end = Clock::now() + budget;
    for (std::size_t i = 0; i < most && Clock::now() < end; ++i) {
        const std::size_t worker = i % pids_.size();
        const pid_t before = pids_[worker];
        const auto start = Clock::now();
        ::kill(before, SIGKILL);
        // Two processes write these two lines: the order is not certain.
        for (bool ready = false; !ready || pids_[worker] == before;) {
            const Line line = next_line();
            ready = ready || (line.event == "worker_ready" && line.worker == worker);
        }
        times.push_back(milliseconds_since(start));
    }
    return times;
}

double RestingGroup::stop() {
    const auto start = Clock::now();
    process_.signal(SIGTERM);
    if (process_.exit_code() != 0) {
        fail("the supervisor did not stop in order");
    }
    return milliseconds_since(start);
}

Supervised measure_supervised(const Place& place, const Point& point, bool quick) {
    RestingGroup group(place, point);
    Supervised result;
    result.start_ms = group.start_ms();
    result.start_cpu_ms = group.workers_cpu_ms();
    const auto times = group.respawn(quick ? 20 : 100, std::chrono::seconds{quick ? 1 : 5});
    result.respawns = times.size();
    result.respawn_p50_ms = quantile(times, 0.5);
    result.respawn_p99_ms = quantile(times, 0.99);
    const Rest rest = watch_rest(group, std::chrono::seconds{quick ? 2 : 4});
    result.pass_us = rest.cpu_us / rest.seconds * count<std::chrono::seconds>(kPassEvery);
    result.supervisor_rss_kib = memory_of(group.supervisor()).resident_kib;
    const Memory worker = memory_of(group.worker(point.workers / 2));
    result.worker_rss_kib = worker.resident_kib;
    result.worker_pss_kib = worker.proportional_kib;
    result.worker_tables_kib = worker.tables_kib;
    result.stop_ms = group.stop();
    return result;
}

RestRow measure_rest(const Place& place, std::uint32_t workers, bool quick) {
    RestingGroup group(place, {.bytes = 64, .workers = workers});
    const Rest rest = watch_rest(group, std::chrono::seconds{quick ? 3 : 5});
    const RestRow row{.workers = workers,
                      .rss_kib = memory_of(group.supervisor()).resident_kib,
                      .wakeups_per_second = rest.sleeps / rest.seconds,
                      .cpu_ms_per_second = rest.cpu_us / 1000 / rest.seconds,
                      .workers_cpu_ms_per_second = rest.workers_cpu_ms / rest.seconds};
    group.stop();
    return row;
}

}  // namespace shmipc::bench
