#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

namespace shmipc::supervisor {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t milliseconds;
};
constexpr std::array<Unit, 4> kUnits{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

/// Levenshtein's distance.
std::size_t distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= left.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t replaced = diagonal + (left[i - 1] == right[j - 1] ? 0U : 1U);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum) noexcept {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (text.empty() || error != std::errc{} || rest != end || number > maximum) {
        return std::nullopt;
    }
    return number;
}

std::string to_text(std::chrono::milliseconds duration) {
    const auto milliseconds = static_cast<std::uint64_t>(duration.count());
    for (const Unit& unit : kUnits) {
        if (milliseconds >= unit.milliseconds && milliseconds % unit.milliseconds == 0) {
            return std::to_string(milliseconds / unit.milliseconds) + std::string(unit.name);
        }
    }
    return "0s";
}

std::string name_workers(const std::vector<WorkerIndex>& workers) {
    std::string text = workers.size() == 1 ? "worker " : "workers ";
    for (std::size_t first = 0; first < workers.size();) {
        std::size_t last = first;
        while (last + 1 < workers.size() &&
               to_number(workers[last + 1]) == to_number(workers[last]) + 1) {
            ++last;
        }
        text += first == 0 ? "" : ", ";
        text += std::to_string(to_number(workers[first]));
        if (last != first) {
            text += (last == first + 1 ? ", " : "-") + std::to_string(to_number(workers[last]));
        }
        first = last + 1;
    }
    return text;
}

std::string nearest(std::string_view word, const std::vector<std::string>& words) {
    std::string best;
    // A third of the letters may be wrong: further away it would be a guess, not a hint.
    std::size_t best_distance = word.size() / 3 + 2;
    for (const std::string& candidate : words) {
        const std::size_t found = distance(word, candidate);
        if (found < best_distance) {
            best_distance = found;
            best = candidate;
        }
    }
    return best;
}

}  // namespace shmipc::supervisor
