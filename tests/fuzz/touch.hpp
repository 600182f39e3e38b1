// What a fuzz target does with bytes that it was handed, and with pins that it inherits: reads
// them.
#pragma once

#include <shmipc/worker.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shmipc::fuzz {

inline volatile std::uint8_t touched = 0;

/// Reads every byte, so that a span that is too long is found out.
inline void touch(std::span<const std::byte> bytes) {
    std::uint8_t sum = 0;
    for (const std::byte byte : bytes) {
        sum = static_cast<std::uint8_t>(sum + std::to_integer<std::uint8_t>(byte));
    }
    touched = sum;
}

/// Waits for nobody.
inline AttachOptions attach_options() {
    AttachOptions options;
    options.identity_timeout = std::chrono::milliseconds{0};
    options.on_stale_pin = [](const StalePin& pin) { touch(pin.bytes); };
    return options;
}

}  // namespace shmipc::fuzz
