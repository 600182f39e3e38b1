#include "output_cutter.hpp"

#include <algorithm>
#include <utility>

namespace shmipc::supervisor {
namespace {

constexpr std::size_t kLongestKept = 1024;

}  // namespace

std::size_t OutputCutter::feed(std::string_view bytes, std::size_t most, const Take& take) {
    std::size_t used = 0;
    std::size_t lines = 0;
    while (used < bytes.size() && lines < most) {
        const std::size_t end = bytes.find('\n', used);
        const std::string_view piece = bytes.substr(used, end - used);  // npos: to the end
        const std::size_t room = kLongestOutputLine - rest_.size();
        rest_ += piece.substr(0, room);
        used += std::min(piece.size(), room);
        if (piece.size() > room) {
            cut(take);
            ++lines;
        } else if (end != std::string_view::npos) {
            ++used;
            lines += hand_out(take) ? 1 : 0;
        }
    }
    return used;
}

void OutputCutter::finish(const Take& take) {
    (void)hand_out(take);
}

bool OutputCutter::hand_out(const Take& take) {
    // Taken out first: what is called may throw, and must not get the line again.
    std::string line = std::exchange(rest_, {});
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    if (!line.empty()) {
        take(line, false);
    }
    return !line.empty();
}

void OutputCutter::cut(const Take& take) {
    const std::string line = std::exchange(rest_, {});
    const std::string_view piece = start_of(line, line.size());
    rest_ = line.substr(piece.size());
    take(piece, true);
}

void LastOutput::add(std::string_view line) {
    lines_.emplace_back(start_of(line, kLongestKept));
    bytes_ += lines_.back().size();
    while (lines_.size() > kLines || bytes_ > kBytes) {
        bytes_ -= lines_.front().size();
        lines_.pop_front();
    }
}

void LastOutput::clear() noexcept {
    lines_.clear();
    bytes_ = 0;
}

std::vector<std::string> LastOutput::lines() const {
    return {lines_.begin(), lines_.end()};
}

std::string_view start_of(std::string_view text, std::size_t limit) noexcept {
    constexpr std::size_t kLongestCharacter = 4;
    const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    std::size_t end = std::min(text.size(), limit);
    // Back to where the last character begins, and beyond it if it is whole. What is no UTF-8 at
    // all is cut anywhere.
    std::size_t begin = end;
    while (begin > 0 && end - begin < kLongestCharacter) {
        --begin;
        if ((byte(begin) & 0xC0U) != 0x80U) {
            const std::size_t length = byte(begin) >= 0xF0   ? 4
                                       : byte(begin) >= 0xE0 ? 3
                                       : byte(begin) >= 0xC0 ? 2
                                                             : 1;
            end = begin > 0 && length > end - begin ? begin : end;
            break;
        }
    }
    return text.substr(0, end);
}

int take_priority(std::string_view& line, int otherwise) noexcept {
    if (line.size() < 3 || line[0] != '<' || line[1] < '0' || line[1] > '7' || line[2] != '>') {
        return otherwise;
    }
    const int priority = line[1] - '0';
    line.remove_prefix(3);
    return priority;
}

}  // namespace shmipc::supervisor
