// Not for users: what inlined code of the public headers needs.
//
// How an observer copies a channel's latest message without a cell and without writing a byte: it
// cannot hold the producer up, and is itself overtaken where the producer laps all slots meanwhile.
//
//   producer (publish.hpp (7))                   observer
//   slot.sequence = 0, relaxed                   c = load(current, acquire)
//   release fence                            (1) before = load(slot.sequence, acquire), names c?
//   payload and header                       (2) copy header and payload, relaxed
//   slot.sequence = n, release               (3) acquire fence
//   current = {n, slot}, release             (4) load(slot.sequence, relaxed) still before: whole
//
// If (2) read a byte of a later message, then the fence (3) synchronizes-with the release fence
// that stands before that byte's store, and (4) sees the 0 or something later, never `before`
// again. That (1) compares with `current`, and not only (4) with (1), is essential: a producer that
// dies before it stores `current` has a successor that writes the same sequence once more, perhaps
// into the same slot, so that only the sequence of a message that was published names one content.
// This is a sequence lock for each slot (Boehm, "Can seqlocks get along with programming language
// memory models?", MSPC 2012), with retries bounded.
//
// Checked by exhaustive search with deaths of the producer: tests/model/observer.pml.
#pragma once

#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/publish.hpp>
#include <shmipc/protocol/words.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace shmipc::protocol {

/// An observer's end of a channel that may be mapped read-only as a whole. Any number of them, in
/// any process; each used by one thread at a time.
template <class Memory = DefaultMemory>
class ObserverEnd {
  public:
    static constexpr unsigned kTries = 64;

    explicit ObserverEnd(const Channel& channel, Memory memory = Memory()) noexcept
        : channel_(channel), memory_(std::move(memory)) {}

    struct Copy {
        std::uint64_t sequence = 0;
        Stamp stamp;
    };

    /// Copies the latest message into `buffer`, which has room for the channel's capacity. kEmpty:
    /// nothing was published. kContended: overtaken in every try. kCorruptChannel: the channel
    /// holds what the protocol cannot produce, in every try. Progress: wait-free; kTries copies at
    /// the most.
    Errc copy(std::span<std::byte> buffer, Copy& result) noexcept(Memory::kNothrow) {
        Errc outcome = Errc::kContended;
        for (unsigned i = 0; i < kTries; ++i) {
            outcome = try_copy(buffer, result);
            if (outcome == Errc::kOk || outcome == Errc::kEmpty || outcome == Errc::kTooLarge) {
                break;
            }
        }
        return outcome;
    }

  private:
    Errc try_copy(std::span<std::byte> buffer, Copy& result) noexcept(Memory::kNothrow) {
        const Current current{
            memory_.load(Step::kCopyCurrent, channel_.current(), std::memory_order_acquire)};
        if (current.empty()) {
            return Errc::kEmpty;
        }
        if (!channel_.has(current.slot())) {
            return Errc::kCorruptChannel;
        }
        const layout::SlotHeader& header = channel_.header(current.slot());
        // (1)
        const std::uint64_t before =
            memory_.load(Step::kCopyBefore, header.sequence, std::memory_order_acquire);
        if (before == 0 || !current.names(before)) {
            return Errc::kContended;
        }
        // (2) Relaxed: checked by (4).
        result.stamp.origin = Origin{header.origin.load(std::memory_order_relaxed)};
        result.stamp.time = Time{header.time.load(std::memory_order_relaxed)};
        const std::uint32_t size = result.stamp.origin.size();
        const bool plausible = size <= channel_.geometry.capacity;
        if (plausible && size <= buffer.size()) {
            copy_payload(current.slot(), buffer.first(size));
        }
        // (3)
        memory_.fence(Step::kCopyFence, std::memory_order_acquire);
        // (4)
        if (memory_.load(Step::kCopyAfter, header.sequence, std::memory_order_relaxed) != before) {
            return Errc::kContended;
        }
        result.sequence = before;
        if (!plausible) {
            return Errc::kCorruptChannel;
        }
        return size <= buffer.size() ? Errc::kOk : Errc::kTooLarge;
    }

    /// Relaxed words, tail included, so that the compiler can neither tear, repeat nor reorder the
    /// reads beyond the fence. The producer writes plain bytes, as users' own code fills a slot in
    /// place: ThreadSanitizer would call that a race, and (4) is what makes it none.
    __attribute__((no_sanitize("thread"))) void copy_payload(SlotIndex slot,
                                                             std::span<std::byte> out) noexcept {
        const std::byte* from = channel_.payload(slot);
        std::size_t done = 0;
        for (; done + sizeof(std::uint64_t) <= out.size(); done += sizeof(std::uint64_t)) {
            memory_.mark(Step::kCopyPayload);
            std::uint64_t word = 0;
            __atomic_load(reinterpret_cast<const std::uint64_t*>(from + done), &word,
                          __ATOMIC_RELAXED);
            std::memcpy(out.data() + done, &word, sizeof word);
        }
        for (; done < out.size(); ++done) {
            std::uint8_t byte = 0;
            __atomic_load(reinterpret_cast<const std::uint8_t*>(from + done), &byte,
                          __ATOMIC_RELAXED);
            out[done] = std::byte{byte};
        }
    }

    Channel channel_;
    [[no_unique_address]] Memory memory_;
};

}  // namespace shmipc::protocol
