// Text that came from anywhere, made fit for a log line: well-formed, bounded, without surprises
// for the terminal or the parser that reads it. Pure functions; used by log_lines.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shmipc::log::detail {

inline constexpr std::string_view kCutMark = " [truncated]";
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
inline constexpr std::size_t kContinuationIndent = 4;

/// Length in bytes of the well-formed UTF-8 sequence that `text` begins with; 0 if there is none.
/// The table is that of the Unicode standard (3-7): no overlong forms, no surrogates.
inline std::size_t utf8_length(std::string_view text) noexcept {
    const auto byte = [text](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned lead = byte(0);
    std::size_t length = 0;
    if (lead < 0x80) {
        return text.empty() ? 0 : 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
    } else {
        return 0;
    }
    const unsigned lowest_second = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned highest_second = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < lowest_second || byte(1) > highest_second) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return 0;
        }
    }
    return length;
}

/// Appends `text`, at most `limit` bytes of it after `translate`, which gets one well-formed
/// character (or U+FFFD in place of a stray byte) and returns what to write for it. Text that is
/// cut ends in kCutMark, which the limit includes.
template <class Translate>
void append_bounded(std::string& out, std::string_view text, std::size_t limit,
                    Translate translate) {
    const std::size_t start = out.size();
    std::size_t cut = start;  // where to cut so that the mark still fits
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const std::string_view character = length == 0 ? kReplacement : text.substr(0, length);
        const std::string piece = translate(character);
        if (out.size() - start + piece.size() > limit) {
            out.resize(cut);
            if (limit >= kCutMark.size()) {
                out += kCutMark;
            }
            return;
        }
        out += piece;
        if (out.size() - start + kCutMark.size() <= limit) {
            cut = out.size();
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
}

inline std::string hexadecimal_byte(std::string_view prefix, unsigned char byte) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string result(prefix);
    result += kDigits[byte >> 4U];
    result += kDigits[byte & 0x0FU];
    return result;
}

/// The inside of a JSON string (RFC 8259).
inline void append_json(std::string& out, std::string_view text, std::size_t limit) {
    append_bounded(out, text, limit, [](std::string_view character) -> std::string {
        const auto byte = static_cast<unsigned char>(character.front());
        switch (byte) {
            case '"':
                return "\\\"";
            case '\\':
                return "\\\\";
            case '\n':
                return "\\n";
            case '\r':
                return "\\r";
            case '\t':
                return "\\t";
            default:
                return byte < 0x20 ? hexadecimal_byte("\\u00", byte) : std::string(character);
        }
    });
}

/// A line for people. Control characters, which could do anything to a terminal, are written as
/// \x1b; the lines after the first are indented.
inline void append_human(std::string& out, std::string_view text, std::size_t limit) {
    append_bounded(out, text, limit, [](std::string_view character) -> std::string {
        const auto byte = static_cast<unsigned char>(character.front());
        if (byte == '\n') {
            return "\n" + std::string(kContinuationIndent, ' ');
        }
        if ((byte < 0x20 && byte != '\t') || byte == 0x7F) {
            return hexadecimal_byte("\\x", byte);
        }
        // U+0080 to U+009F, two bytes in UTF-8: control characters too.
        if (byte == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0) {
            return hexadecimal_byte("\\x", static_cast<unsigned char>(character[1]));
        }
        return std::string(character);
    });
}

}  // namespace shmipc::log::detail
