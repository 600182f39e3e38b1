// A channel in ordinary memory, for tests of the protocol without an operating system, and payloads
// that show tearing: each word is derived from the sequence.
#pragma once

#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace shmipc::test {

/// One channel of a group of `workers`. Its parts are separate allocations without slack, so that
/// AddressSanitizer sees a step beyond any of them.
class PlainChannel {
  public:
    explicit PlainChannel(std::uint32_t workers, std::uint64_t capacity = 64,
                          std::uint32_t slots = 0)
        : geometry_{workers, slots == 0 ? layout::Geometry::minimum_slots(workers) : slots,
                    capacity},
          producer_(allocate(layout::Geometry::producer_bytes())),
          shared_(allocate(geometry_.shared_bytes())),
          slots_(allocate(geometry_.slots_bytes())),
          channel_(geometry_, producer_.get(), shared_.get(), slots_.get()) {}

    /// As at birth.
    void reset() noexcept {
        std::memset(producer_.get(), 0, layout::Geometry::producer_bytes());
        std::memset(shared_.get(), 0, geometry_.shared_bytes());
        std::memset(slots_.get(), 0, geometry_.slots_bytes());
    }

    [[nodiscard]] const protocol::Channel& channel() const noexcept { return channel_; }
    [[nodiscard]] std::uint32_t slots() const noexcept { return geometry_.slots; }
    [[nodiscard]] std::uint32_t consumers() const noexcept { return geometry_.consumers(); }
    [[nodiscard]] protocol::CellWord cell(CellIndex index) const noexcept {
        return protocol::CellWord{channel_.cell(index).load(std::memory_order_relaxed)};
    }
    void scribble(CellIndex index, std::uint32_t raw) const noexcept {
        channel_.cell(index).store(raw, std::memory_order_relaxed);
    }

  private:
    struct Free {
        void operator()(std::byte* memory) const noexcept {
            std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc): from aligned_alloc
        }
    };
    using Part = std::unique_ptr<std::byte[], Free>;

    static Part allocate(std::uint64_t bytes) {
        void* memory = nullptr;
        if (posix_memalign(&memory, layout::kCacheLine, bytes) != 0) {
            throw std::bad_alloc();
        }
        std::memset(memory, 0, bytes);
        return Part(static_cast<std::byte*>(memory));
    }

    layout::Geometry geometry_;
    Part producer_;
    Part shared_;
    Part slots_;
    protocol::Channel channel_;
};

/// Word `index` of the message `sequence`.
constexpr std::uint64_t word_of(std::uint64_t sequence, std::size_t index) noexcept {
    return sequence * 0x9e37'79b9'7f4a'7c15U + index * 0xd1b5'4a32'd192'ed03U;
}

/// Writes the message `sequence`, whose last word may be cut off.
inline void fill(std::span<std::byte> bytes, std::uint64_t sequence) noexcept {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t word = word_of(sequence, at / sizeof word);
        std::memcpy(&bytes[at], &word,
                    bytes.size() - at < sizeof word ? bytes.size() - at : sizeof word);
    }
}

/// Whether these are the bytes of the message `sequence`, and of no other.
inline bool intact(std::span<const std::byte> bytes, std::uint64_t sequence) noexcept {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t word = word_of(sequence, at / sizeof word);
        if (std::memcmp(&bytes[at], &word,
                        bytes.size() - at < sizeof word ? bytes.size() - at : sizeof word) != 0) {
            return false;
        }
    }
    return true;
}

/// Publishes the next message, of `size` bytes.
template <class Memory>
void publish(protocol::ProducerEnd<Memory>& producer, std::uint32_t size = 64) {
    const SlotIndex slot = producer.take();
    producer.begin(slot);
    fill({producer.channel().payload(slot), size}, producer.sequence() + 1);
    producer.publish(slot, {.origin = protocol::Origin{1, size, false}, .time = {}});
}

/// Sequence of the message that lies in a slot.
inline std::uint64_t sequence_in(const protocol::Channel& channel, SlotIndex slot) noexcept {
    return channel.header(slot).sequence.load(std::memory_order_relaxed);
}

/// Bytes of the message that lies in a slot.
inline std::span<const std::byte> bytes_in(const protocol::Channel& channel,
                                           SlotIndex slot) noexcept {
    return {channel.payload(slot),
            protocol::Origin{channel.header(slot).origin.load(std::memory_order_relaxed)}.size()};
}

/// Whether the message in a slot is whole.
inline bool whole(const protocol::Channel& channel, SlotIndex slot) noexcept {
    return sequence_in(channel, slot) != 0 &&
           intact(bytes_in(channel, slot), sequence_in(channel, slot));
}

}  // namespace shmipc::test
