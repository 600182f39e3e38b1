#include "report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

namespace shmipc::bench {

namespace {

std::string format(const char* pattern, double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), pattern, value);
    return text.data();
}

/// Three digits that mean something, at the most two behind the point.
std::string figure(double value) {
    const double size = std::abs(value);
    return format(size < 10 ? "%.2f" : size < 100 ? "%.1f" : "%.0f", value);
}

std::string figure(double value, const std::string& unit) {
    if (unit == "ns" && value >= 1e6) {
        return figure(value * 1e-6) + " ms";
    }
    if (unit == "ns" && value >= 1e4) {
        return figure(value * 1e-3) + " us";
    }
    return figure(value) + " " + unit;
}

std::string size_text(std::size_t bytes) {
    constexpr std::size_t kKib = 1024;
    if (bytes >= kKib * kKib) {
        return std::to_string(bytes / kKib / kKib) + " MiB";
    }
    return bytes >= kKib ? std::to_string(bytes / kKib) + " KiB" : std::to_string(bytes) + " B";
}

/// In terms of X for what one core does; for what goes between two, of P as it was just before.
std::string ratio(const RunResult& run, const Result& result) {
    if (result.unit != "ns") {
        return "";
    }
    if (result.summary.ping_pong_ns > 0) {
        return figure(result.summary.median / result.summary.ping_pong_ns) + " P";
    }
    const auto x = run.primitives.find("locked_exchange");
    return x == run.primitives.end() ? "" : figure(result.summary.median / x->second.median) + " X";
}

/// How many times that of shmipc.
std::string against_shmipc(const RunResult& run, const Result& result) {
    if (result.peer == "shmipc") {
        return "";
    }
    const auto found = std::ranges::find_if(run.results, [&](const Result& other) {
        return other.peer == "shmipc" && other.workload == result.workload &&
               other.setting.bytes == result.setting.bytes &&
               other.setting.consumers == result.setting.consumers && other.summary.repeats > 0;
    });
    if (found == run.results.end() || found->summary.median <= 0) {
        return "";
    }
    return figure(result.summary.median / found->summary.median) + " x";
}

std::string remarks(const Result& result) {
    std::string text = result.note;
    const auto add = [&text](const std::string& more) {
        text += (text.empty() ? "" : "; ") + more;
    };
    if (result.summary.only_far) {
        add("far cores");
    } else if (result.summary.far > 0) {
        add(std::to_string(result.summary.far) + " far left out");
    }
    if (result.torn > 0) {
        add(std::to_string(result.torn) + " TORN");
    }
    if (result.reversed > 0) {
        add(std::to_string(result.reversed) + " REVERSED");
    }
    return text;
}

void print_results(std::FILE* out, const RunResult& run) {
    std::string_view previous;
    std::size_t bytes = 0;
    std::uint32_t consumers = 0;
    for (const Result& result : run.results) {
        if (result.workload != previous || result.setting.bytes != bytes ||
            result.setting.consumers != consumers) {
            previous = result.workload;
            bytes = result.setting.bytes;
            consumers = result.setting.consumers;
            std::fprintf(out, "\n%s, %s, %u consumer%s\n", result.workload.c_str(),
                         size_text(bytes).c_str(), consumers, consumers == 1 ? "" : "s");
            std::fprintf(out, "  %-15s %10s %10s %10s %10s %10s  %s\n", "peer", "median", "p99",
                         "min", "ratio", "to shmipc", "");
        }
        if (result.summary.repeats == 0) {
            std::fprintf(out, "  %-15s %10s  %s%s\n", result.peer.c_str(), "–",
                         result.impossible ? "impossible: " : "FAILED: ", result.note.c_str());
            continue;
        }
        const Summary& sum = result.summary;
        std::fprintf(out, "  %-15s %10s %10s %10s %10s %10s  %s\n", result.peer.c_str(),
                     figure(sum.median, result.unit).c_str(), figure(sum.p99, result.unit).c_str(),
                     figure(sum.min, result.unit).c_str(), ratio(run, result).c_str(),
                     against_shmipc(run, result).c_str(), remarks(result).c_str());
    }
}

void print_primitives(std::FILE* out, const RunResult& run) {
    std::fprintf(out, "\n%-20s %10s %10s %10s\n", "primitive", "median", "p99", "min");
    for (const auto& [name, sum] : run.primitives) {
        const char* const symbol = name == "locked_exchange" ? "  X"
                                   : name == "ping_pong"     ? "  P, there and back"
                                                             : "";
        std::fprintf(out, "%-20s %10s %10s %10s%s\n", name.c_str(),
                     figure(sum.median, "ns").c_str(), figure(sum.p99, "ns").c_str(),
                     figure(sum.min, "ns").c_str(), symbol);
    }
}

}  // namespace

void print_points(std::FILE* out, const std::vector<PeerEntry>& peers,
                  const std::vector<Point>& points) {
    for (const Point& point : points) {
        std::fprintf(
            out, "%-21s %-15s %8s %5u consumer%s\n", std::string(name_of(point.workload)).c_str(),
            std::string(peers[point.peer].name).c_str(), size_text(point.setting.bytes).c_str(),
            point.setting.consumers, point.setting.consumers == 1 ? "" : "s");
    }
    std::fprintf(out, "%zu points\n\n", points.size());
    for (const WorkloadText& text : kWorkloads) {
        std::fprintf(out, "%-21s %s\n", std::string(text.name).c_str(),
                     std::string(text.meaning).c_str());
    }
}

void print_report(std::FILE* out, const RunResult& run, const std::vector<Target>& targets) {
    std::fprintf(out, "%s, Linux %s, %s, cores", run.machine.cpu.c_str(),
                 run.machine.kernel.c_str(), run.machine.compiler.c_str());
    for (const int core : run.machine.cores) {
        std::fprintf(out, " %d", core);
    }
    std::fprintf(out, "\n");
    print_primitives(out, run);
    print_results(out, run);
    std::fprintf(out,
                 "\nmedian: of the repeats' medians; p99: likewise. Ratios are to X; between two "
                 "cores to P as "
                 "it was just before.\nA repeat is far if P was more than %.1f times the best of "
                 "the run; it is "
                 "left out where there are near ones.\nacquire_release is a difference: [publish + "
                 "acquire + "
                 "release] - [publish], in batches.\n",
                 kNear);
    if (targets.empty()) {
        return;
    }
    std::fprintf(out, "\n%-34s %12s   %-12s %-21s %s\n", "target", "measured", "bound", "",
                 "target met");
    for (const Target& target : targets) {
        std::fprintf(out, "%-34s %12s   %-12s %-21s %s\n", target.line.c_str(),
                     figure(target.measured, target.unit).c_str(),
                     figure(target.bound, target.unit).c_str(),
                     ("(" + target.bound_text + ")").c_str(), target.met ? "yes" : "NO");
    }
}

}  // namespace shmipc::bench
