// Texts of others in texts of ours: a line of the log, or an answer, has a length that we choose.
// Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shmipc::supervisor {

/// `text` if it has no more than `most` bytes; else its beginning and its end, with "…" between.
inline std::string excerpt(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return std::string(text);
    }
    // The bytes of a character that the cut went through are left out with the middle.
    const auto continues = [&](std::size_t at) {
        return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
    };
    std::size_t end = most / 2;
    std::size_t begin = text.size() - most / 2;
    while (end > 0 && continues(end)) {
        --end;
    }
    while (continues(begin)) {
        ++begin;
    }
    return std::string(text.substr(0, end)) + " … " + std::string(text.substr(begin));
}

}  // namespace shmipc::supervisor
