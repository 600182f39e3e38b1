// What a message is, besides its bytes: the types that producers and consumers share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include <time.h>

namespace shmipc {

/// Payload of a channel that carries raw bytes of any length up to the capacity.
struct Bytes {};

/// Name of a payload type, the same in every program of the group. Specialise it, in namespace
/// shmipc, for each type that is exchanged:
///
///     template <> struct shmipc::PayloadName<Pose> {
///         static constexpr std::string_view kName = "robot.Pose.v2";
///     };
///
/// 1 to 55 bytes. Change it when the meaning of the bytes changes: attaching with another name or
/// size than the channel was stamped with fails with Errc::kPayloadMismatch.
template <class T>
struct PayloadName;

template <>
struct PayloadName<Bytes> {
    static constexpr std::string_view kName = "bytes";
};

inline constexpr std::size_t kMaxPayloadName = 55;

/// What a type must be to lie in shared memory and be read there by another program.
template <class T>
concept Payload = std::is_same_v<T, Bytes> ||
    (std::is_trivially_copyable_v<T>&& std::is_standard_layout_v<T> && alignof(T) <= 64 &&
     !std::is_pointer_v<T> && !std::is_reference_v<T>);

/// Name and size that a channel is stamped with.
struct PayloadType {
    std::string_view name;
    std::uint32_t size = 0;  ///< bytes; 0: raw bytes of any length
};

template <Payload T>
constexpr PayloadType payload_type() noexcept {
    static_assert(!PayloadName<T>::kName.empty() && PayloadName<T>::kName.size() <= kMaxPayloadName,
                  "a payload's name has 1 to 55 bytes");
    if constexpr (std::is_same_v<T, Bytes>) {
        return {PayloadName<T>::kName, 0};
    } else {
        return {PayloadName<T>::kName, static_cast<std::uint32_t>(sizeof(T))};
    }
}

/// Where the time of a message comes from: the producer's choice
/// (AttachOptions::time_source).
enum class TimeSource : std::uint32_t {
    kNone = 0,     ///< no time; costs nothing
    kCoarse = 1,   ///< CLOCK_MONOTONIC_COARSE: the time of the last timer tick, 1 to 10 ms old
    kPrecise = 2,  ///< CLOCK_MONOTONIC: some nanoseconds exact; costs as much as several publishes
};

/// Now, by the clock of `source`; 0 for kNone. Here, and not in the library, since a call more is a
/// good part of its cost.
inline std::chrono::nanoseconds now(TimeSource source) noexcept {
    if (source == TimeSource::kNone) {
        return std::chrono::nanoseconds{0};
    }
    timespec time{};
    // Cannot fail: both clocks exist on every Linux that we support.
    clock_gettime(source == TimeSource::kCoarse ? CLOCK_MONOTONIC_COARSE : CLOCK_MONOTONIC, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

/// Metadata of a message.
struct MessageInfo {
    std::uint64_t sequence = 0;     ///< 1 for the first message of a channel; goes on across deaths
    std::uint32_t incarnation = 0;  ///< of the producer: 1 for its first life
    std::uint32_t size = 0;         ///< bytes
    TimeSource time_source = TimeSource::kNone;
    std::chrono::nanoseconds time{0};  ///< of publishing, since boot; 0 with TimeSource::kNone

    /// Time since publishing, by the clock that stamped the message (so a coarse one is exact to a
    /// tick); nothing with TimeSource::kNone. Never negative.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> age() const noexcept;
};

}  // namespace shmipc
