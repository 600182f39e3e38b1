// A histogram of durations in shared memory: one process adds, others sum up.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace shmipc::crash {

/// Eight buckets for each power of two of nanoseconds: a value is known to an eighth. Zeroed memory
/// is an empty one.
class Histogram {
  public:
    void add(std::chrono::nanoseconds duration) noexcept {
        auto& count = counts_[bucket_of(static_cast<std::uint64_t>(duration.count()))];
        // Relaxed, no read-modify-write: one writer; sums are for when it has stopped.
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    void add(const Histogram& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            // Relaxed: as above.
            counts_[i].store(counts_[i].load(std::memory_order_relaxed) +
                                 other.counts_[i].load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
        }
    }
    [[nodiscard]] std::uint64_t total() const noexcept {
        std::uint64_t sum = 0;
        for (const auto& count : counts_) {
            sum += count.load(std::memory_order_relaxed);
        }
        return sum;
    }
    /// The least duration that `share` (0 to 1) of all are not longer than, rounded up; 0 if empty.
    [[nodiscard]] std::chrono::nanoseconds quantile(double share) const noexcept {
        const double wanted = share * static_cast<double>(total());
        double below = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            below += static_cast<double>(counts_[i].load(std::memory_order_relaxed));
            if (below > 0 && below >= wanted) {
                return std::chrono::nanoseconds{static_cast<std::int64_t>(end_of(i))};
            }
        }
        return std::chrono::nanoseconds{0};
    }

  private:
    static constexpr unsigned kFine = 3;  ///< bits of a value below its highest that are kept
    static constexpr std::uint64_t kLinear = 1U << kFine;
    static constexpr unsigned kLongest = 40;  ///< bits: 18 minutes; longer is counted there

    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        constexpr std::uint64_t kMost = (std::uint64_t{1} << kLongest) - 1;
        const std::uint64_t limited = value < kMost ? value : kMost;
        if (limited < kLinear) {
            return static_cast<std::size_t>(limited);
        }
        const auto shift = static_cast<unsigned>(std::bit_width(limited)) - kFine - 1;
        return static_cast<std::size_t>(shift * kLinear + (limited >> shift));
    }
    static constexpr std::uint64_t end_of(std::size_t bucket) noexcept {
        if (bucket < kLinear) {
            return bucket;
        }
        const std::uint64_t shift = bucket / kLinear - 1;
        return ((bucket % kLinear + kLinear + 1) << shift) - 1;
    }

    std::array<std::atomic<std::uint64_t>, (kLongest - kFine + 1) * kLinear> counts_{};
};

}  // namespace shmipc::crash
