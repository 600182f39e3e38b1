#include "signals.hpp"

#include <cctype>
#include <charconv>

#include <signal.h>
#include <string.h>

namespace shmipc::ctl {
namespace {

constexpr int kHighest = 64;

const char* name_of(int number) noexcept {
    return number > 0 && number <= kHighest ? ::sigabbrev_np(number) : nullptr;
}

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
        return number >= 1 && number <= kHighest ? std::optional(number) : std::nullopt;
    }
    std::string name;
    for (const char c : text) {
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    if (name.starts_with("SIG")) {
        name.erase(0, 3);
    }
    for (number = 1; number <= kHighest; ++number) {
        const char* const known = name_of(number);
        if (known != nullptr && name == known) {
            return number;
        }
    }
    return std::nullopt;
}

std::string describe_signal(int number) {
    const char* const name = name_of(number);
    return "signal " + std::to_string(number) +
           (name == nullptr ? "" : " (" + std::string(name) + ")");
}

}  // namespace shmipc::ctl
