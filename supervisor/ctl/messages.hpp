// Messages of a channel as people, and programs, read them. Pure.
#pragma once

#include <shmipc/ids.hpp>
#include <shmipc/observer.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace shmipc::ctl {

/// The value of the stock worker's message; nothing for any other payload.
std::optional<std::uint64_t> counter_value(const Observer::Message& message,
                                           const Observer::Payload& payload);

/// All that is known of a message, and its first bytes, on several lines.
std::string describe_message(WorkerIndex worker, const Observer::Message& message,
                             const Observer::Payload& payload);

/// "worker 1: message 58, value 58", "worker 1: message 7, 12 bytes: 68 65 …"; without a newline.
std::string summarize_message(WorkerIndex worker, const Observer::Message& message,
                              const Observer::Payload& payload);

/// As one line of JSON: worker, sequence, incarnation, size, payload, age_usec, bytes
/// (hexadecimal), value. Given to `write` in pieces of bounded length: a message may have a
/// gigabyte.
void write_message_json(WorkerIndex worker, const Observer::Message& message,
                        const Observer::Payload& payload,
                        const std::function<void(std::string_view piece)>& write);

}  // namespace shmipc::ctl
