#include "targets.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace shmipc::bench {

namespace {

using Value = std::optional<double>;

constexpr std::size_t kKib64 = std::size_t{64} << 10U;
constexpr std::size_t kMib8 = std::size_t{8} << 20U;

struct What {
    std::string_view workload;
    std::size_t bytes = 64;
    std::uint32_t consumers = 1;
    std::string_view peer = "shmipc";
};

/// Looks figures up, and collects the targets for which there are some.
class Judge {
  public:
    explicit Judge(const RunResult& run) : run_(run) {}

    [[nodiscard]] Value primitive(const std::string& name) const {
        const auto found = run_.primitives.find(name);
        return found == run_.primitives.end() ? Value{} : found->second.median;
    }
    [[nodiscard]] Value of(const What& what, double Summary::*figure = &Summary::median) const {
        for (const Result& result : run_.results) {
            if (result.workload == what.workload && result.peer == what.peer &&
                result.setting.bytes == what.bytes && result.setting.consumers == what.consumers &&
                result.summary.repeats > 0) {
                return result.summary.*figure;
            }
        }
        return {};
    }
    void at_most(std::string line, Value measured, Value bound, std::string text) {
        add(std::move(line), measured, bound, std::move(text), true, "ns");
    }
    void at_least(std::string line, Value measured, double bound, std::string text) {
        add(std::move(line), measured, bound, std::move(text), false, "M/s");
    }
    std::vector<Target> take() { return std::move(targets_); }

  private:
    void add(std::string line, Value measured, Value bound, std::string text, bool upper,
             std::string unit) {
        if (measured && bound) {
            targets_.push_back({std::move(line), *measured, *bound, std::move(text),
                                upper ? *measured <= *bound : *measured >= *bound,
                                std::move(unit)});
        }
    }

    const RunResult& run_;
    std::vector<Target> targets_;
};

Value times(double factor, Value value) {
    return value ? Value{factor * *value} : value;
}
Value plus(Value left, Value right) {
    return left && right ? Value{*left + *right} : Value{};
}

void judge_one_core(Judge& judge) {
    const Value x = judge.primitive("locked_exchange");
    const Value publish = judge.of({"publish"});
    judge.at_most("publish, no time stamp", publish, times(0.9, x), "0.9 X");
    judge.at_most("publish, coarse stamp", judge.of({"publish_coarse"}),
                  plus(publish, times(0.8, x)), "publish + 0.8 X");
    judge.at_most("publish, precise stamp", judge.of({"publish_precise"}),
                  plus(publish, judge.primitive("clock_precise")), "publish + clock read");
    judge.at_most("publish, 127 pinned", judge.of({.workload = "publish_pinned", .consumers = 127}),
                  times(1.0, x), "1.0 X");
    judge.at_most("acquire + release, new message", judge.of({"acquire_release"}), times(1.3, x),
                  "1.3 X");
    judge.at_most("publish + acquire + release", judge.of({"cycle"}), times(2, x), "2 X");
    judge.at_most("the same message again", judge.of({"again"}), 1.5, "1.5 ns");
    judge.at_most("anything newer", judge.of({"newer"}), 1.0, "1 ns");
    judge.at_most("publish 8 MiB, filled", judge.of({"publish_filled", kMib8}),
                  judge.of({"publish_filled", kMib8, 1, "iceoryx"}), "1.0 iceoryx");
    judge.at_most("publish 8 MiB, ends only", judge.of({"publish", kMib8}),
                  times(1.2, judge.of({"publish", kKib64})), "1.2 of 64 KiB, ends only");
}

void judge_two_cores(Judge& judge) {
    // P as it was before the very repeats that are judged.
    const Value p = judge.of({"one_way"}, &Summary::ping_pong_ns);
    const Value p_trip = judge.of({"round_trip"}, &Summary::ping_pong_ns);
    judge.at_most("one way, p50", judge.of({"one_way"}), times(1.1, p), "1.1 P");
    judge.at_most("one way, p99", judge.of({"one_way"}, &Summary::p99), times(2, p), "2 P");
    judge.at_most("round trip", judge.of({"round_trip"}), times(2.1, p_trip), "2.1 P");
    judge.at_least("flat out, published", judge.of({"flat_out_published"}), 45, "45 M/s");
    judge.at_least("flat out, distinct seen", judge.of({"flat_out_seen"}), 10, "10 M/s");
    judge.at_least("flat out 64 KiB, distinct seen", judge.of({"flat_out_seen", kKib64}), 0.9,
                   "0.9 M/s");
    judge.at_most("one way 64 KiB, p50", judge.of({"one_way", kKib64}), 1500, "1.5 us");
    judge.at_most("the same again, two consumers",
                  judge.of({.workload = "again_two", .consumers = 2}), 1.5, "1.5 ns");
    judge.at_most("wake-up, p50", judge.of({"wake"}), times(1.1, judge.primitive("futex_wake")),
                  "1.1 bare futex");
}

}  // namespace

std::vector<Target> judge(const RunResult& run) {
    Judge judge(run);
    judge_one_core(judge);
    judge_two_cores(judge);
    std::vector<Target> targets = judge.take();
    std::uint64_t harm = 0;
    bool flat_out = false;
    for (const Result& result : run.results) {
        if (result.peer == "shmipc" && result.workload == "flat_out_seen") {
            flat_out = true;
            harm += result.torn + result.reversed;
        }
    }
    if (flat_out) {
        targets.push_back({"flat out, torn or reversed", static_cast<double>(harm), 0, "none",
                           harm == 0, "messages"});
    }
    return targets;
}

bool harmed(const RunResult& run) {
    return std::ranges::any_of(run.results, [](const Result& result) {
        return result.peer == "shmipc" && (result.torn > 0 || result.reversed > 0);
    });
}

}  // namespace shmipc::bench
