#include <shmipc/message.hpp>

#include <ctime>

namespace shmipc {

std::chrono::nanoseconds now(TimeSource source) noexcept {
    if (source == TimeSource::kNone) {
        return std::chrono::nanoseconds{0};
    }
    timespec time{};
    // Cannot fail: both clocks exist on every Linux that we support.
    clock_gettime(source == TimeSource::kCoarse ? CLOCK_MONOTONIC_COARSE : CLOCK_MONOTONIC, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

std::optional<std::chrono::nanoseconds> MessageInfo::age() const noexcept {
    if (time_source != TimeSource::kCoarse && time_source != TimeSource::kPrecise) {
        return std::nullopt;
    }
    if (time.count() < 0) {
        return std::nullopt;  // no clock tells that, but a hostile worker may
    }
    const std::chrono::nanoseconds age = now(time_source) - time;
    return age.count() < 0 ? std::chrono::nanoseconds{0} : age;
}

}  // namespace shmipc
