// What the kill tests publish: bytes of which every word says who wrote which message in which
// life, so that a message that is torn anywhere is found out by whoever reads it.
//
// Word 0 is the value, one more than in the message before, as the stock worker's; the others are
// derived from worker, incarnation, sequence and place. Lengths differ from message to message, and
// are no multiples of a word.
#pragma once

#include <shmipc/ids.hpp>
#include <shmipc/message.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace shmipc::crash {

/// Who wrote a message, and which.
struct Origin {
    WorkerIndex worker{0};
    std::uint32_t incarnation = 0;
    std::uint64_t sequence = 0;
};

/// Mixes 64 bits (the finaliser of SplitMix64): neighbours have nothing in common.
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
    value += 0x9e37'79b9'7f4a'7c15U;
    value = (value ^ (value >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
    value = (value ^ (value >> 27U)) * 0x94d0'49bb'1331'11ebU;
    return value ^ (value >> 31U);
}

/// Bytes of message `sequence`: from one word up to the capacity; of each order of magnitude as
/// many.
constexpr std::size_t size_of(std::uint64_t sequence, std::uint64_t capacity) noexcept {
    constexpr std::uint64_t kWord = sizeof(std::uint64_t);
    const auto magnitudes = static_cast<std::uint64_t>(std::bit_width(capacity / kWord));
    const std::uint64_t longest = capacity >> mix(sequence + 1) % magnitudes;
    return static_cast<std::size_t>(kWord + mix(sequence) % (longest - kWord + 1));
}

class Pattern {
  public:
    explicit constexpr Pattern(const Origin& origin) noexcept
        : value_(origin.sequence),
          seed_(mix(mix(origin.sequence) ^
                    (std::uint64_t{origin.incarnation} << 32U | to_number(origin.worker)))) {}

    /// Writes the bytes [from, to) of the message; `from` is a multiple of 8.
    void fill(std::span<std::byte> message, std::size_t from, std::size_t to) const noexcept {
        for (std::size_t at = from; at < to; at += sizeof(std::uint64_t)) {
            const std::uint64_t word = word_at(at);
            std::memcpy(message.data() + at, &word, length(at, to));
        }
    }
    void fill(std::span<std::byte> message) const noexcept { fill(message, 0, message.size()); }

    [[nodiscard]] bool matches(std::span<const std::byte> message) const noexcept {
        for (std::size_t at = 0; at < message.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t word = word_at(at);
            if (std::memcmp(message.data() + at, &word, length(at, message.size())) != 0) {
                return false;
            }
        }
        return true;
    }

  private:
    [[nodiscard]] constexpr std::uint64_t word_at(std::size_t at) const noexcept {
        return at == 0 ? value_ : seed_ + at * 0x9e37'79b9'7f4a'7c15U;
    }
    static constexpr std::size_t length(std::size_t at, std::size_t to) noexcept {
        return to - at < sizeof(std::uint64_t) ? to - at : sizeof(std::uint64_t);
    }

    std::uint64_t value_;
    std::uint64_t seed_;
};

/// Whether the bytes are exactly the message that its metadata tells.
inline bool is_whole(WorkerIndex worker, const MessageInfo& info, std::span<const std::byte> bytes,
                     std::uint64_t capacity) noexcept {
    return info.sequence != 0 && info.incarnation != 0 &&
           bytes.size() == size_of(info.sequence, capacity) && bytes.size() == info.size &&
           Pattern({.worker = worker, .incarnation = info.incarnation, .sequence = info.sequence})
               .matches(bytes);
}

/// The value that a message carries; 0 for none.
inline std::uint64_t value_of(std::span<const std::byte> bytes) noexcept {
    std::uint64_t value = 0;
    if (bytes.size() >= sizeof value) {
        std::memcpy(&value, bytes.data(), sizeof value);
    }
    return value;
}

/// For what went wrong: "message 7 of worker 0, incarnation 2, 31 bytes".
inline std::string describe(WorkerIndex worker, const MessageInfo& info) {
    return "message " + std::to_string(info.sequence) + " of worker " +
           std::to_string(to_number(worker)) + ", incarnation " + std::to_string(info.incarnation) +
           ", " + std::to_string(info.size) + " bytes";
}

}  // namespace shmipc::crash
