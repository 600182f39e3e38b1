#include "run.hpp"

#include "placement.hpp"
#include "primitives.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <tuple>

#include <unistd.h>

namespace shmipc::bench {

namespace {

int repeats_of(Extent extent) {
    switch (extent) {
        case Extent::kTaste:
            return 1;
        case Extent::kQuick:
            return 3;
        case Extent::kFull:
            return 5;
    }
    return 1;
}

std::chrono::milliseconds budget_of(Extent extent) {
    switch (extent) {
        case Extent::kTaste:
            return std::chrono::milliseconds{10};
        case Extent::kQuick:
            return std::chrono::milliseconds{25};
        case Extent::kFull:
            return std::chrono::milliseconds{60};
    }
    return {};
}

/// On standard error, if somebody looks at it.
class Progress {
  public:
    void show(const std::string& text) const {
        if (visible_) {
            std::fprintf(stderr, "\r\033[K%s", text.c_str());
        }
    }
    ~Progress() { show(""); }
    Progress() = default;
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

  private:
    bool visible_ = isatty(STDERR_FILENO) == 1;
};

/// The repeats of one metric of one point, on their way to a Result.
struct Gathered {
    Result result;
    std::vector<Repeat> repeats;
};

class Run {
  public:
    Run(const Signals& signals, const RunOptions& options)
        : options_(options),
          context_{.signals = signals,
                   .first_core = options.cores.front(),
                   .second_core = options.cores.size() > 1 ? options.cores[1] : kAnyCore,
                   .budget = budget_of(options.what.extent)},
          peers_(all_peers()),
          points_(select_points(peers_, options.what)),
          gathered_(points_.size()) {}

    RunResult all() {
        const int repeats = repeats_of(options_.what.extent);
        for (int repeat = 0; repeat < repeats; ++repeat) {
            const std::string round =
                std::to_string(repeat + 1) + "/" + std::to_string(repeats) + " ";
            progress_.show(round + "primitives");
            repeat_primitives();
            for (std::size_t i = 0; i < points_.size(); ++i) {
                const Point& point = points_[i];
                progress_.show(round + std::string(name_of(point.workload)) + " " +
                               std::string(peers_[point.peer].name) + " " +
                               std::to_string(point.setting.bytes) + " B, " +
                               std::to_string(point.setting.consumers) + " consumers");
                repeat_point(point, gathered_[i]);
            }
        }
        return sum_up();
    }

  private:
    void repeat_primitives() {
        for (auto& [name, samples] : measure_primitives(context_)) {
            primitives_[name].push_back({std::move(samples), 0});
        }
        if (context_.second_core == kAnyCore) {
            return;
        }
        const double ns = probe(context_);
        primitives_["ping_pong"].push_back({{ns}, ns});
        Measured wake = bare_futex_entry().run(Workload::kWake, context_, Setting{});
        for (Metric& metric : wake.metrics) {
            primitives_[metric.workload].push_back({std::move(metric.samples), wake.ping_pong_ns});
        }
    }

    Measured measure(const Point& point) {
        const PeerEntry& peer = peers_[point.peer];
        if (!peer.missing.empty()) {
            return impossible(peer.missing);
        }
        if (memory_needed(point) > kMostMemory) {
            return impossible("needs more than 4 GiB");
        }
        try {
            return peer.run(point.workload, context_, point.setting);
        } catch (const Interrupted&) {
            throw;
        } catch (const std::exception& error) {
            Measured result;
            result.failure = error.what();
            return result;
        }
    }

    void repeat_point(const Point& point, std::vector<Gathered>& metrics) {
        if (!metrics.empty() && metrics.front().result.impossible) {
            return;
        }
        // Hundreds of processes take their time to start, on two cores. What they give hardly
        // differs from one repeat to the next.
        constexpr std::uint32_t kCrowd = 200;
        const bool crowd = point.setting.consumers > kCrowd;
        if (crowd && !metrics.empty()) {
            return;
        }
        context_.patience = std::chrono::seconds{crowd                                   ? 120
                                                 : options_.what.extent == Extent::kFull ? 20
                                                                                         : 8};
        Measured measured = measure(point);
        if (measured.ping_pong_ns > 0) {
            primitives_["ping_pong"].push_back({{measured.ping_pong_ns}, measured.ping_pong_ns});
        }
        if (measured.metrics.empty()) {
            Gathered& entry = entry_for(point, metrics, std::string(name_of(point.workload)), "ns");
            entry.result.impossible = !measured.impossible.empty();
            entry.result.note = entry.result.impossible ? measured.impossible
                                                        : "a repeat failed: " + measured.failure;
            return;
        }
        for (Metric& metric : measured.metrics) {
            Gathered& entry = entry_for(point, metrics, metric.workload, metric.unit);
            entry.repeats.push_back({std::move(metric.samples), measured.ping_pong_ns});
            entry.result.torn += measured.torn;
            entry.result.reversed += measured.reversed;
            if (!measured.failure.empty() || !measured.note.empty()) {
                entry.result.note = measured.failure.empty()
                                        ? measured.note
                                        : "a repeat failed: " + measured.failure;
            }
        }
    }

    Gathered& entry_for(const Point& point, std::vector<Gathered>& metrics,
                        const std::string& workload, const std::string& unit) {
        const auto found = std::ranges::find(
            metrics, workload, [](const Gathered& entry) { return entry.result.workload; });
        if (found != metrics.end()) {
            return *found;
        }
        Gathered entry;
        entry.result.kind = point.workload;
        entry.result.workload = workload;
        entry.result.peer = peers_[point.peer].name;
        entry.result.setting = point.setting;
        entry.result.unit = unit;
        metrics.push_back(std::move(entry));
        return metrics.back();
    }

    RunResult sum_up() {
        RunResult run{.machine = this_machine(options_.cores),
                      .quick = options_.what.extent != Extent::kFull,
                      .primitives = {},
                      .results = {}};
        for (auto& [name, repeats] : primitives_) {
            run.primitives[name] = summarise(repeats, context_.best_ping_pong_ns);
        }
        for (std::vector<Gathered>& metrics : gathered_) {
            for (Gathered& entry : metrics) {
                entry.result.summary = summarise(entry.repeats, context_.best_ping_pong_ns);
                run.results.push_back(std::move(entry.result));
            }
        }
        // What a point gives two figures for stands in two tables.
        std::ranges::stable_sort(run.results, {}, [](const Result& result) {
            return std::tuple(result.kind, result.setting.bytes, result.setting.consumers,
                              result.workload);
        });
        return run;
    }

    const RunOptions& options_;
    Context context_;
    std::vector<PeerEntry> peers_;
    std::vector<Point> points_;
    std::vector<std::vector<Gathered>> gathered_;
    std::map<std::string, std::vector<Repeat>> primitives_;
    Progress progress_;
};

}  // namespace

RunResult run(const Signals& signals, const RunOptions& options) {
    return Run(signals, options).all();
}

}  // namespace shmipc::bench
