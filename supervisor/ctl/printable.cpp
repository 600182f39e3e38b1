#include "printable.hpp"

#include <boost/json/serialize.hpp>

#include <array>
#include <cstdint>
#include <cstdio>

namespace shmipc::ctl {
namespace {

struct Character {
    std::size_t bytes = 0;  ///< 0: no well-formed UTF-8
    std::uint32_t code = 0;
};

/// The first character of `text`, which is not empty.
Character first_character(std::string_view text) noexcept {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80U) {
        return {1, lead};
    }
    const std::size_t length = lead >= 0xF0U ? 4 : lead >= 0xE0U ? 3 : 2;
    if (lead < 0xC2U || lead > 0xF4U || text.size() < length) {
        return {};
    }
    std::uint32_t code = lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0U) != 0x80U) {
            return {};
        }
        code = (code << 6U) | (byte & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < kLeast.at(length) || code > 0x10FFFF || surrogate ? Character{}
                                                                    : Character{length, code};
}

struct Range {
    std::uint32_t first;
    std::uint32_t last;
};

template <std::size_t kCount>
bool within(std::uint32_t code, const std::array<Range, kCount>& ranges) noexcept {
    for (const Range& range : ranges) {
        if (code >= range.first && code <= range.last) {
            return true;
        }
    }
    return false;
}

/// Characters that are obeyed instead of shown: controls, marks of direction, separators of lines,
/// invisible ones.
bool is_obeyed(std::uint32_t code) noexcept {
    constexpr std::array<Range, 10> kObeyed{{{0, 0x1F},
                                             {0x7F, 0x9F},
                                             {0xAD, 0xAD},
                                             {0x61C, 0x61C},
                                             {0x200B, 0x200F},
                                             {0x2028, 0x202E},
                                             {0x2060, 0x206F},
                                             {0xFEFF, 0xFEFF},
                                             {0xFFF0, 0xFFFB},
                                             {0xE0000, 0xE0FFF}}};
    return within(code, kObeyed);
}

std::size_t columns_of(std::uint32_t code) noexcept {
    constexpr std::array<Range, 3> kCombining{{{0x300, 0x36F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}}};
    constexpr std::array<Range, 7> kWide{{{0x1100, 0x115F},
                                          {0x2E80, 0xA4CF},
                                          {0xAC00, 0xD7A3},
                                          {0xF900, 0xFAFF},
                                          {0xFE30, 0xFE6F},
                                          {0xFF00, 0xFF60},
                                          {0x1F000, 0x3FFFD}}};
    return within(code, kCombining) ? 0 : within(code, kWide) ? 2 : 1;
}

template <class... Values>
std::string format(const char* pattern, Values... values) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), pattern, values...);
    return text.data();
}

std::string escape(std::string_view text, std::string_view kept) {
    std::string result;
    while (!text.empty()) {
        const Character character = first_character(text);
        const std::size_t bytes = character.bytes == 0 ? 1 : character.bytes;
        if (kept.find(text[0]) != std::string_view::npos) {
            result += text[0];
        } else if (character.bytes == 0 || (character.bytes == 1 && is_obeyed(character.code))) {
            result += format("\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
        } else if (is_obeyed(character.code)) {
            result += format("\\u{%x}", static_cast<unsigned>(character.code));
        } else {
            result += text.substr(0, bytes);
        }
        text.remove_prefix(bytes);
    }
    return result;
}

}  // namespace

std::string printable(std::string_view text) {
    return escape(text, "");
}

std::string printable_lines(std::string_view text) {
    return escape(text, "\n\t");
}

std::size_t columns_of(std::string_view text) noexcept {
    std::size_t columns = 0;
    while (!text.empty()) {
        const Character character = first_character(text);
        columns += columns_of(character.code);
        text.remove_prefix(character.bytes == 0 ? 1 : character.bytes);
    }
    return columns;
}

std::string clip(std::string_view text, std::size_t columns) {
    if (columns_of(text) <= columns) {
        return std::string(text);
    }
    if (columns == 0) {
        return {};
    }
    std::string result;
    std::size_t used = 1;  // of the mark
    for (;;) {
        const Character character = first_character(text);
        used += columns_of(character.code);
        if (used > columns) {
            return result + "…";
        }
        const std::size_t bytes = character.bytes == 0 ? 1 : character.bytes;
        result += text.substr(0, bytes);
        text.remove_prefix(bytes);
    }
}

std::string hexadecimal(std::span<const std::byte> bytes, std::string_view separator) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string result;
    result.reserve(bytes.size() * (2 + separator.size()));
    for (const std::byte byte : bytes) {
        if (!result.empty()) {
            result += separator;
        }
        result += kDigits[std::to_integer<std::size_t>(byte >> 4)];
        result += kDigits[std::to_integer<std::size_t>(byte & std::byte{0x0F})];
    }
    return result;
}

std::string json_line(const boost::json::value& value) {
    // Boost escapes what JSON demands: controls below 0x20. A string is the only place where the
    // others can stand, and there \u means the same.
    const std::string text = boost::json::serialize(value);
    std::string result;
    for (std::string_view rest = text; !rest.empty();) {
        const Character character = first_character(rest);
        const std::size_t bytes = character.bytes == 0 ? 1 : character.bytes;
        if (character.bytes == 0) {
            result += "\\ufffd";
        } else if (character.code <= 0xFFFF && is_obeyed(character.code)) {
            result += format("\\u%04x", static_cast<unsigned>(character.code));
        } else {
            result += rest.substr(0, bytes);
        }
        rest.remove_prefix(bytes);
    }
    return result + '\n';
}

}  // namespace shmipc::ctl
