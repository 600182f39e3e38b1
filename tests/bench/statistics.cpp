#include "statistics.hpp"

#include <algorithm>

namespace shmipc::bench {

double percentile(std::span<double> samples, double part) {
    if (samples.empty()) {
        return 0;
    }
    std::sort(samples.begin(), samples.end());
    const double position = part * static_cast<double>(samples.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, samples.size() - 1);
    const double rest = position - static_cast<double>(below);
    return samples[below] + rest * (samples[above] - samples[below]);
}

bool is_near(double ping_pong_ns, double best_ns) {
    return ping_pong_ns <= kNear * best_ns;
}

Summary summarise(std::span<Repeat> repeats, double best_ping_pong_ns) {
    Summary sum;
    sum.far = static_cast<std::size_t>(std::ranges::count_if(repeats, [&](const Repeat& repeat) {
        return !is_near(repeat.ping_pong_ns, best_ping_pong_ns);
    }));
    sum.only_far = sum.far == repeats.size();
    std::vector<double> medians;
    std::vector<double> tails;
    std::vector<double> trips;
    std::vector<double> all;
    for (Repeat& repeat : repeats) {
        if (repeat.samples.empty() ||
            (!sum.only_far && !is_near(repeat.ping_pong_ns, best_ping_pong_ns))) {
            continue;
        }
        medians.push_back(percentile(repeat.samples, 0.5));
        tails.push_back(percentile(repeat.samples, 0.99));
        trips.push_back(repeat.ping_pong_ns);
        all.insert(all.end(), repeat.samples.begin(), repeat.samples.end());
    }
    sum.repeats = medians.size();
    sum.median = percentile(medians, 0.5);
    sum.p99 = percentile(tails, 0.5);
    sum.ping_pong_ns = percentile(trips, 0.5);
    if (!all.empty()) {
        std::sort(all.begin(), all.end());
        sum.min = all.front();
        sum.max = all.back();
        // Sorted already: the nearest rank is as good as an interpolation, and cheaper.
        const auto add = [&](double part) {
            const double rank = part * static_cast<double>(all.size() - 1);
            sum.quantiles.emplace_back(part, all[static_cast<std::size_t>(rank)]);
        };
        for (int percent = 0; percent < 100; ++percent) {
            add(percent / 100.0);
        }
        for (const double part : {0.995, 0.999, 0.9995, 0.9999, 1.0}) {
            add(part);
        }
    }
    return sum;
}

}  // namespace shmipc::bench
