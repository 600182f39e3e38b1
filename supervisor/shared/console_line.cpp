#include "console_line.hpp"

#include "text.hpp"

#include <utility>

namespace shmipc::supervisor {

void LineCutter::feed(std::string_view bytes,
                      const std::function<void(std::string_view line)>& take) {
    for (const char c : bytes) {
        if (c != '\n') {
            // One more than the longest is kept, so that it cannot pass for a shorter one.
            if (line_.size() <= kLongestConsoleLine) {
                line_ += c;
            }
            continue;
        }
        const std::string line = std::exchange(line_, {});
        const std::size_t first = line.find_first_not_of(" \t\r");
        const std::size_t last = line.find_last_not_of(" \t\r");
        take(first == std::string::npos ? std::string_view{}
                                        : std::string_view(line).substr(first, last - first + 1));
    }
}

ConsoleCommand parse_console_line(std::string_view line, std::uint32_t workers) noexcept {
    using Kind = ConsoleCommand::Kind;
    if (line.empty()) {
        return {Kind::kNothing, WorkerIndex{0}};
    }
    if (line == "q") {
        return {Kind::kQuit, WorkerIndex{0}};
    }
    if (const auto number = parse_number(line, workers - 1)) {
        return {Kind::kToggle, WorkerIndex{static_cast<std::uint32_t>(*number)}};
    }
    return {Kind::kUnknown, WorkerIndex{0}};
}

}  // namespace shmipc::supervisor
