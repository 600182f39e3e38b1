// Medians and percentiles of repeated measurements.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace shmipc::bench {

/// The value below which `part` (0 … 1) of the samples lie, interpolated between neighbours; sorts
/// them. 0 for none.
double percentile(std::span<double> samples, double part);

/// What one repeat of a point measured.
struct Repeat {
    std::vector<double> samples;
    /// Round trip of a cache line between the two cores just before; 0 for what uses one core.
    double ping_pong_ns = 0;
};

struct Summary {
    double median = 0;  ///< of the repeats' medians
    double p99 = 0;     ///< median of the repeats' 99th percentiles
    double min = 0;
    double max = 0;
    std::size_t repeats = 0;  ///< those that count
    std::size_t far = 0;      ///< those left out, or all if none was near
    bool only_far = false;    ///< none was near: the figures are those of far cores
    double ping_pong_ns = 0;  ///< median of those before the repeats that count; 0: one core
    /// Of all samples that count: the part (0 … 1) and the value below which it lies; every
    /// hundredth, and more of the tail.
    std::vector<std::pair<double, double>> quantiles;
};

/// Cores that a virtual machine has placed apart, or has to share with others, talk at a multiple
/// of the usual time. A repeat is near if its round trip took no more than this multiple of the
/// best.
inline constexpr double kNear = 1.4;

bool is_near(double ping_pong_ns, double best_ns);

/// Repeats on far cores are left out as long as there is one on near cores.
Summary summarise(std::span<Repeat> repeats, double best_ping_pong_ns);

}  // namespace shmipc::bench
