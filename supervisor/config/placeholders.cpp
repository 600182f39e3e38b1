#include "placeholders.hpp"

#include "shared/text.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <vector>

namespace shmipc::supervisor {
namespace {

/// Longer names are no mistaken ones.
constexpr std::size_t kLongestName = 32;

/// A name in braces: letters, digits, "_" and "-", and a letter first.
struct Braced {
    std::size_t begin = 0;  ///< of the opening brace
    std::size_t end = 0;    ///< behind the closing one
    std::string_view name;
};

bool is_letter(char c) noexcept {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool is_name(std::string_view name) noexcept {
    return !name.empty() && is_letter(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_letter(c) || c == '-' || (c >= '0' && c <= '9'); });
}

/// The first from `from` on that no shell takes for its own.
std::optional<Braced> next_braced(std::string_view text, std::size_t from) {
    for (std::size_t begin = text.find('{', from); begin != std::string_view::npos;
         begin = text.find('{', begin + 1)) {
        const std::size_t close = text.find_first_of("{}", begin + 1);
        if (close == std::string_view::npos || text[close] == '{') {
            continue;
        }
        const std::string_view name = text.substr(begin + 1, close - begin - 1);
        if (is_name(name) && (begin == 0 || text[begin - 1] != '$')) {
            return Braced{begin, close + 1, name};
        }
    }
    return std::nullopt;
}

std::optional<std::string> value_of(std::string_view name, const PlaceholderValues& values) {
    if (name == "group") {
        return std::string(values.group);
    }
    if (name == "workers") {
        return std::to_string(values.workers);
    }
    if (name == "index") {
        return std::to_string(to_number(values.index));
    }
    return std::nullopt;
}

const std::vector<std::string>& names() {
    static const std::vector<std::string> known{"group", "workers", "index"};
    return known;
}

/// What `name` was meant to be; empty if it is right, or something else altogether.
std::string meant_by(std::string_view name) {
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    for (const std::string& known : names()) {
        if (name == known) {
            return {};
        }
    }
    // "worker_index" is an index of a worker: what it ends with counts first.
    for (const std::string& known : names()) {
        if (lower.ends_with(known)) {
            return known;
        }
    }
    for (const std::string& known : names()) {
        if (lower.starts_with(known)) {
            return known;
        }
    }
    return nearest(lower, names());
}

bool is_anothers(std::string_view text, const Braced& braced) noexcept {
    const char before = braced.begin > 0 ? text[braced.begin - 1] : ' ';
    const char after = braced.end < text.size() ? text[braced.end] : ' ';
    return before == '%' || (before == '{' && after == '}');
}

}  // namespace

std::string with_values(std::string_view text, const PlaceholderValues& values) {
    std::string result;
    std::size_t done = 0;
    while (const auto braced = next_braced(text, done)) {
        const auto value = value_of(braced->name, values);
        result += text.substr(done, braced->begin - done);
        result +=
            value ? *value : std::string(text.substr(braced->begin, braced->end - braced->begin));
        done = braced->end;
    }
    return result.append(text.substr(done));
}

bool has_placeholder(std::string_view text) {
    std::size_t done = 0;
    while (const auto braced = next_braced(text, done)) {
        if (value_of(braced->name, {})) {
            return true;
        }
        done = braced->end;
    }
    return false;
}

std::optional<WrongPlaceholder> wrong_placeholder(std::string_view text) {
    std::size_t done = 0;
    while (const auto braced = next_braced(text, done)) {
        done = braced->end;
        if (braced->name.size() > kLongestName || is_anothers(text, *braced)) {
            continue;
        }
        if (const std::string meant = meant_by(braced->name); !meant.empty()) {
            return WrongPlaceholder{"{" + std::string(braced->name) + "}", "{" + meant + "}"};
        }
    }
    return std::nullopt;
}

std::optional<std::string> doubtful_placeholder(std::string_view text) {
    if (text.find_first_of(" \t\n;") != std::string_view::npos) {
        return std::nullopt;
    }
    std::size_t done = 0;
    while (const auto braced = next_braced(text, done)) {
        done = braced->end;
        if (!value_of(braced->name, {}) && !is_anothers(text, *braced)) {
            return "{" + std::string(braced->name.substr(0, kLongestName)) + "}";
        }
    }
    return std::nullopt;
}

}  // namespace shmipc::supervisor
