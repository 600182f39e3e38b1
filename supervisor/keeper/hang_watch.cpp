#include "hang_watch.hpp"

#include <algorithm>
#include <utility>

namespace shmipc::supervisor {

namespace {

HangWatch::Clock::duration longest_gap(std::chrono::milliseconds limit) noexcept {
    return limit == std::chrono::milliseconds{0}
               ? HangWatch::kLongestGap
               : std::min<HangWatch::Clock::duration>(HangWatch::kLongestGap, limit * 2 / 5);
}

}  // namespace

void HangWatch::begin(Clock::time_point now) noexcept {
    *this = HangWatch{};
    looked_at_ = now;
}

HangWatch::Verdict HangWatch::look(Clock::time_point now, const LifeSigns& signs,
                                   std::chrono::milliseconds limit) noexcept {
    const Clock::duration gap = std::min(now - looked_at_, longest_gap(limit));
    looked_at_ = now;
    if (signs != last_) {
        last_ = signs;
        silence_ = Clock::duration{0};
        return std::exchange(told_, false) ? Verdict::kRecovered : Verdict::kAlive;
    }
    silence_ += gap;
    if (limit == std::chrono::milliseconds{0}) {
        return Verdict::kAlive;
    }
    if (silence_ >= limit) {
        return Verdict::kHung;
    }
    if (silence_ * 2 >= limit && !std::exchange(told_, true)) {
        return Verdict::kSilent;
    }
    return Verdict::kAlive;
}

HangWatch::Clock::duration HangWatch::silence(Clock::time_point now,
                                              const LifeSigns& signs) const noexcept {
    return signs != last_ ? Clock::duration{0}
                          : silence_ + std::min<Clock::duration>(now - looked_at_, kLongestGap);
}

void HangWatch::excuse(Clock::time_point now) noexcept {
    looked_at_ = now;
    silence_ = Clock::duration{0};
}

}  // namespace shmipc::supervisor
