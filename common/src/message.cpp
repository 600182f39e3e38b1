#include <shmipc/message.hpp>

namespace shmipc {

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
