#include "units.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <utility>

namespace shmipc {

namespace {

struct TimeUnit {
    std::string_view name;
    std::int64_t nanoseconds;
};
constexpr std::array<TimeUnit, 7> kTimeUnits{{{"ns", 1},
                                              {"us", 1'000},
                                              {"µs", 1'000},
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000}}};

struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
};
constexpr std::array<SizeUnit, 5> kSizeUnits{
    {{"", 1}, {"B", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}}};

/// Takes up to `most` digits off the front of `text`; nothing if there is none, or one more.
std::optional<std::uint64_t> take_number(std::string_view& text, std::size_t most) noexcept {
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
        ++digits;
    }
    std::uint64_t value = 0;
    if (digits == 0 || digits > most ||
        std::from_chars(text.data(), text.data() + digits, value).ec != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(digits);
    return value;
}

std::optional<std::int64_t> nanoseconds_of(std::string_view unit) noexcept {
    for (const TimeUnit& known : kTimeUnits) {
        if (known.name == unit) {
            return known.nanoseconds;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept {
    constexpr std::size_t kDigits = 9;
    if (text == "0") {
        return std::chrono::nanoseconds{0};
    }
    const auto whole = take_number(text, kDigits);
    if (!whole) {
        return std::nullopt;
    }
    double fraction = 0;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        const std::size_t before = text.size();
        const auto digits = take_number(text, kDigits);
        if (!digits) {
            return std::nullopt;
        }
        fraction = static_cast<double>(*digits);
        for (std::size_t i = text.size(); i < before; ++i) {
            fraction /= 10;
        }
    }
    const auto unit = nanoseconds_of(text);
    if (!unit ||
        *whole > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / *unit) - 1) {
        return std::nullopt;
    }
    const double part = fraction * static_cast<double>(*unit) + 0.5;
    return std::chrono::nanoseconds{static_cast<std::int64_t>(*whole) * *unit +
                                    static_cast<std::int64_t>(part)};
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept {
    constexpr std::size_t kDigits = 18;
    const auto number = take_number(text, kDigits);
    if (!number) {
        return std::nullopt;
    }
    for (const SizeUnit& unit : kSizeUnits) {
        if (unit.name == text) {
            constexpr std::uint64_t kLimit = std::uint64_t{1} << 63U;
            return *number < kLimit / unit.bytes ? std::optional(*number * unit.bytes)
                                                 : std::nullopt;
        }
    }
    return std::nullopt;
}

std::string describe_duration(std::chrono::nanoseconds duration) {
    std::array<char, 64> text{};
    const auto nanoseconds = static_cast<double>(duration.count());
    const long long minutes = std::chrono::duration_cast<std::chrono::minutes>(duration).count();
    if (minutes >= 60) {
        std::snprintf(text.data(), text.size(), "%lld h %lld min", minutes / 60, minutes % 60);
    } else if (minutes >= 1) {
        const long long seconds =
            std::chrono::duration_cast<std::chrono::seconds>(duration).count();
        std::snprintf(text.data(), text.size(), "%lld min %lld s", minutes, seconds % 60);
    } else if (nanoseconds >= 1e9) {
        std::snprintf(text.data(), text.size(), "%.1f s", nanoseconds / 1e9);
    } else if (nanoseconds >= 1e6) {
        std::snprintf(text.data(), text.size(), "%.0f ms", nanoseconds / 1e6);
    } else {
        std::snprintf(text.data(), text.size(), "%.0f us", nanoseconds / 1e3);
    }
    return text.data();
}

}  // namespace shmipc
