#include "styled.hpp"

#include "printable.hpp"

#include <utility>

namespace shmipc::ctl {
namespace {

const char* sequence_of(Style style) noexcept {
    switch (style) {
        case Style::kPlain:
            break;
        case Style::kGood:
            return "\x1b[32m";
        case Style::kWaiting:
            return "\x1b[33m";
        case Style::kBad:
            return "\x1b[31m";
        case Style::kDim:
            return "\x1b[2m";
        case Style::kHeading:
            return "\x1b[1m";
        case Style::kReverse:
            return "\x1b[7m";
    }
    return "";
}

}  // namespace

Line plain_line(std::string text, Style style) {
    Line line;
    line.push_back({std::move(text), style});
    return line;
}

std::string text_of(const Line& line) {
    std::string text;
    for (const Span& span : line) {
        text += span.text;
    }
    return text;
}

std::string to_ansi(const Line& line, bool colour) {
    if (!colour) {
        return text_of(line);
    }
    std::string text;
    for (const Span& span : line) {
        const std::string sequence = sequence_of(span.style);
        text += sequence.empty() ? span.text : sequence + span.text + "\x1b[0m";
    }
    return text;
}

Line clip(const Line& line, std::size_t columns) {
    Line result;
    for (const Span& span : line) {
        const std::size_t width = columns_of(span.text);
        if (width > columns) {
            result.push_back({clip(span.text, columns), span.style});
            return result;
        }
        columns -= width;
        result.push_back(span);
    }
    return result;
}

}  // namespace shmipc::ctl
