// How deep a TOML text nests, found without recursion and before it is parsed.
//
// The parser bounds nested arrays and inline tables, but makes one table for each part of a dotted
// key or header, in any number, and their destructors recurse: a hundred thousand parts, which are
// 200 KB, end the process. What is counted here is a bound, not the exact depth: the dots and
// brackets that enclose each place of the text, outside of strings and comments. Whether the text
// is valid is the parser's matter: where the two could read differently, the parser has stopped
// with an error before.
//
// Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace shmipc::supervisor {

struct TextPlace {
    std::size_t line = 1;
    std::size_t column = 1;  ///< in bytes
};

/// The first place where a statement of `toml` (a key and its value, or a table's header) nests
/// deeper than `most`; nothing if none does. A value that stands below a header may be twice that
/// deep in the whole.
std::optional<TextPlace> deeper_than(std::string_view toml, std::size_t most);

}  // namespace shmipc::supervisor
