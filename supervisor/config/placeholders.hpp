// The placeholders in a worker's command: {group}, {workers} and {index} stand for the values.
//
// A command may be full of braces that are nobody's business here: scripts for a shell, JSON,
// templates of other programs. So nothing but these three is replaced, and a "$" before the brace
// makes it the shell's own: ${index}. A name that is only nearly one of the three, {indx}, is taken
// for what it most likely is, a mistake; with a second pair of braces around it, or "$" or "%"
// before it, it belongs to another program, like all other names in braces. Pure functions.
#pragma once

#include <shmipc/ids.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmipc::supervisor {

struct PlaceholderValues {
    std::string_view group;
    std::uint32_t workers = 0;
    WorkerIndex index{0};
};
std::string with_values(std::string_view text, const PlaceholderValues& values);

/// Whether one of the three is in `text`.
bool has_placeholder(std::string_view text);

/// A name in braces that was meant to be one of the three: "{indx}", and which one.
struct WrongPlaceholder {
    std::string text;
    std::string meant;
};
/// The first in `text`; nothing if there is none.
std::optional<WrongPlaceholder> wrong_placeholder(std::string_view text);

/// Any other name in braces in a `text` that is no script, having no blanks: "{id}", which may have
/// been meant as a placeholder; nothing if there is none.
std::optional<std::string> doubtful_placeholder(std::string_view text);

}  // namespace shmipc::supervisor
