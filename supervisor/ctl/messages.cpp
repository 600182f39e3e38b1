#include "messages.hpp"

#include "base/units.hpp"
#include "printable.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <span>

namespace shmipc::ctl {
namespace {

std::string hex_dump(std::span<const std::byte> bytes) {
    constexpr std::size_t kLine = 16;
    constexpr std::size_t kMost = 256;
    const auto shown = bytes.first(std::min(bytes.size(), kMost));
    std::string dump;
    for (std::size_t at = 0; at < shown.size(); at += kLine) {
        const auto line = shown.subspan(at, std::min(kLine, shown.size() - at));
        std::array<char, 32> offset{};
        std::snprintf(offset.data(), offset.size(), "  %08zx  ", at);
        std::string hex = hexadecimal(line, " ");
        hex.resize(3 * kLine - 1, ' ');
        std::string text;
        for (const std::byte byte : line) {
            const auto value = std::to_integer<unsigned>(byte);
            text += value >= 0x20 && value < 0x7f ? static_cast<char>(value) : '.';
        }
        dump += offset.data() + hex + "  |" + text + "|\n";
    }
    if (shown.size() < bytes.size()) {
        dump += "  … " + std::to_string(bytes.size() - shown.size()) + " bytes more\n";
    }
    return dump;
}

std::string head(WorkerIndex worker, const MessageInfo& info) {
    return "worker " + std::to_string(to_number(worker)) + ": message " +
           std::to_string(info.sequence);
}

std::string size_text(const MessageInfo& info) {
    return ", " + std::to_string(info.size) + (info.size == 1 ? " byte" : " bytes");
}

}  // namespace

std::optional<std::uint64_t> counter_value(const Observer::Message& message,
                                           const Observer::Payload& payload) {
    // The stock worker's message is one number (worker/src/exchange.hpp).
    std::uint64_t value = 0;
    if (payload.name != "shmipc.counter.v1" || message.bytes.size() != sizeof value) {
        return std::nullopt;
    }
    std::memcpy(&value, message.bytes.data(), sizeof value);
    return value;
}

std::string describe_message(WorkerIndex worker, const Observer::Message& message,
                             const Observer::Payload& payload) {
    std::string text = head(worker, message.info) + ", incarnation " +
                       std::to_string(message.info.incarnation) + size_text(message.info);
    if (!payload.name.empty()) {
        text += ", " + printable(payload.name);
    }
    if (const auto age = message.info.age()) {
        text += ", " + describe_duration(*age) + " old";
    }
    text += '\n';
    if (const auto value = counter_value(message, payload)) {
        return text + "  value " + std::to_string(*value) + '\n';
    }
    return text + hex_dump(message.bytes);
}

std::string summarize_message(WorkerIndex worker, const Observer::Message& message,
                              const Observer::Payload& payload) {
    constexpr std::size_t kMost = 16;
    const std::string text = head(worker, message.info);
    if (const auto value = counter_value(message, payload)) {
        return text + ", value " + std::to_string(*value);
    }
    const std::span<const std::byte> bytes(message.bytes);
    return text + size_text(message.info) + (bytes.empty() ? "" : ": ") +
           hexadecimal(bytes.first(std::min(bytes.size(), kMost)), " ") +
           (bytes.size() > kMost ? " …" : "");
}

void write_message_json(WorkerIndex worker, const Observer::Message& message,
                        const Observer::Payload& payload,
                        const std::function<void(std::string_view piece)>& write) {
    constexpr std::size_t kPiece = std::size_t{32} * 1024;
    boost::json::object head{{"worker", to_number(worker)},
                             {"sequence", message.info.sequence},
                             {"incarnation", message.info.incarnation},
                             {"size", message.info.size},
                             {"payload", printable(payload.name)}};
    if (const auto age = message.info.age()) {
        head["age_usec"] = std::chrono::duration_cast<std::chrono::microseconds>(*age).count();
    }
    std::string line = json_line(head);
    line.resize(line.size() - 2);  // without "}" and the newline
    line += R"(,"bytes":")";
    for (std::span<const std::byte> rest(message.bytes); !rest.empty();) {
        const auto piece = rest.first(std::min(rest.size(), kPiece));
        write(line += hexadecimal(piece, ""));
        line.clear();
        rest = rest.subspan(piece.size());
    }
    line += '"';
    if (const auto value = counter_value(message, payload)) {
        line += ",\"value\":" + std::to_string(*value);
    }
    write(line += "}\n");
}

}  // namespace shmipc::ctl
