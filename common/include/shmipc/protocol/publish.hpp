// Publish: how the producer of a channel finds a free slot, fills it and makes it current.
//
//   take      (6) no slot known to be free: full fence, then scan every cell; a PENDING one is
//   CASed
//                 to HELD the current slot (help);
//                 free := all slots but the current one and those that cells name
//   fill      (7) clear the slot's sequence, release fence, write payload and header, store the
//                 slot's sequence with release (for observers, copy.hpp)
//   publish   (8) store(current, {sequence + 1, slot}), release
//             (9) wake sleepers, only if there are any (sleep.hpp)
//
// A slot that a scan found free stays free until it is published: a consumer that comes to pin a
// slot after the scan's fence confirms (pin.hpp (2), (4)) that it is current, and this one is not,
// or only names it in a CLAIMED cell, through which nobody reads. The slot that a publish retires
// is not reused before a scan that follows its retirement. So one scan, and one fence, serve as
// many publishes as it found slots.
//
// Why N + 1 slots. R = N − 1 cells name at most R different slots, `current` names one: with
// S ≥ R + 2 = N + 1 a scan always finds one. With N slots all may be in use, and the producer would
// have to wait for a reader, or overwrite what one reads. More slots only make scans rarer: with
// 2N + 2 a scan finds N + 2 at least, which makes the R loads amortised O(1) a publish.
//
// Death before (8): the slot is neither current nor named, hence free. After (8): published. A
// successor takes the sequence from the slot that `current` names, and its free slots from a scan;
// it needs nothing that died with its predecessor.
//
// Checked by exhaustive search with deaths at every step: tests/model/channel.pml, which also shows
// that with N slots, without the help, or without the scan after retirement it fails.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shmipc/check.hpp>
#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/words.hpp>

namespace shmipc::protocol {

/// A set of slots as a bitmap. Local to the producer; lost at its death, and rebuilt by a scan.
class SlotSet {
  public:
    /// All of 0 … slots − 1.
    void fill(std::uint32_t slots) noexcept {
        words_ = (slots + 63U) / 64U;
        first_ = 0;
        for (std::uint32_t word = 0; word < words_; ++word) {
            bits_[word] = ~std::uint64_t{0};
        }
        if (slots % 64U != 0) {
            bits_[words_ - 1] = (std::uint64_t{1} << slots % 64U) - 1U;
        }
    }
    void insert(SlotIndex slot) noexcept {
        const std::uint32_t word = to_number(slot) / 64U;
        bits_[word] |= std::uint64_t{1} << to_number(slot) % 64U;
        first_ = word < first_ ? word : first_;
    }
    void erase(SlotIndex slot) noexcept {
        bits_[to_number(slot) / 64U] &= ~(std::uint64_t{1} << to_number(slot) % 64U);
    }
    /// Removes the lowest slot into `slot`; false if the set is empty.
    bool pop(SlotIndex& slot) noexcept {
        for (; first_ < words_; ++first_) {
            std::uint64_t& word = bits_[first_];
            if (word != 0) {
                slot = SlotIndex{first_ * 64U + static_cast<std::uint32_t>(std::countr_zero(word))};
                word &= word - 1U;
                return true;
            }
        }
        return false;
    }

  private:
    static constexpr std::size_t kWords =
        (layout::Geometry::maximum_slots(kMaxWorkers) + 63U) / 64U;
    std::uint32_t words_ = 0;
    std::uint32_t first_ = 0;  ///< no word before this one has a bit
    std::array<std::uint64_t, kWords> bits_{};
};

/// What a message says of itself, besides its bytes.
struct Stamp {
    std::uint32_t size = 0;
    std::uint32_t incarnation = 0;
    std::uint64_t time_ns = 0;
    std::uint32_t time_source = 0;
};

/// The producer's end of a channel. Owned by one process, which holds the identity lock; used by
/// one thread at a time. Nothing that a consumer does, or leaves undone, delays it.
template <class Memory = DefaultMemory>
class ProducerEnd {
  public:
    explicit ProducerEnd(const Channel& channel, Memory memory = Memory()) noexcept
        : channel_(channel), memory_(std::move(memory)) {}

    /// Takes up what the predecessor left: its last sequence, and no slot known to be free. To be
    /// called once, before anything else. Idempotent and writes nothing, so that a death here is
    /// one more death. kCorruptChannel: the channel holds what the protocol cannot produce.
    Errc recover() noexcept(Memory::kNothrow) {
        // Acquire: reads-from the predecessor's (8), so that its retirement of older slots comes
        // before the fence of our first scan, as the order S of pin.hpp requires.
        current_ = Current{
            memory_.load(Step::kScanCurrent, channel_.current(), std::memory_order_acquire)};
        if (current_.empty()) {
            sequence_ = 0;
            return Errc::kOk;
        }
        if (!channel_.has(current_.slot())) {
            return Errc::kCorruptChannel;
        }
        // Relaxed: ordered by the acquire above.
        sequence_ = channel_.header(current_.slot()).sequence.load(std::memory_order_relaxed);
        return sequence_ != 0 && current_.names(sequence_) ? Errc::kOk : Errc::kCorruptChannel;
    }

    /// (6) A slot that no consumer has, or can come to have, pinned; until publish() or give_back()
    /// it is the caller's to write. One at a time: with N+1 slots a second one need not exist.
    /// Progress: wait-free; a scan of R cells at the most, usually none.
    SlotIndex take() noexcept(Memory::kNothrow) {
        SlotIndex slot{0};
        SHMIPC_CHECK(!outstanding_, "one slot is taken at a time: a scan would find it free again");
        outstanding_ = true;
        if (!free_.pop(slot)) [[unlikely]] {
            scan();
            SHMIPC_CHECK(free_.pop(slot), "N+1 slots cannot all be current or pinned by N-1 cells");
        }
        return slot;
    }

    /// A taken slot that will not be published after all.
    void give_back(SlotIndex slot) noexcept {
        free_.insert(slot);
        outstanding_ = false;
    }

    /// (7) Begins to write a taken slot: from here on observers know that it is in flux.
    void begin(SlotIndex slot) noexcept(Memory::kNothrow) {
        // Relaxed, ordered before the payload's bytes by the release fence, which the acquire fence
        // of copy.hpp (3) synchronizes-with.
        memory_.store(Step::kWriteBegin, channel_.header(slot).sequence, std::uint64_t{0},
                      std::memory_order_relaxed);
        memory_.fence(Step::kWriteFence, std::memory_order_release);
        memory_.mark(Step::kWritePayload);
    }

    /// (7), (8) Makes a slot that was begun, and whose payload is complete, the current message.
    /// Progress: wait-free; five stores.
    void publish(SlotIndex slot, const Stamp& stamp) noexcept(Memory::kNothrow) {
        layout::SlotHeader& header = channel_.header(slot);
        const std::uint64_t sequence = sequence_ + 1;
        // Relaxed: consumers get them by (8), observers by the sequence's release.
        memory_.store(Step::kWriteHeader, header.size, stamp.size, std::memory_order_relaxed);
        header.incarnation.store(stamp.incarnation, std::memory_order_relaxed);
        header.time_ns.store(stamp.time_ns, std::memory_order_relaxed);
        header.time_source.store(stamp.time_source, std::memory_order_relaxed);
        // Release, with copy.hpp (1).
        memory_.store(Step::kWriteSequence, header.sequence, sequence, std::memory_order_release);
        const Current next{sequence, slot};
        // (8) Release: whoever finds it by an acquire load, pin.hpp (2), (4) or the helping CAS,
        // has the whole message.
        if constexpr (kThreadSanitizer) {
            memory_.exchange(Step::kPublish, channel_.current(), next.raw(),
                             std::memory_order_seq_cst);
        } else {
            memory_.store(Step::kPublish, channel_.current(), next.raw(),
                          std::memory_order_release);
        }
        sequence_ = sequence;
        current_ = next;
        outstanding_ = false;
    }

    /// Sequence of the last published message, over all incarnations; 0: none.
    [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
    [[nodiscard]] Current current() const noexcept { return current_; }
    [[nodiscard]] const Channel& channel() const noexcept { return channel_; }

  private:
    void scan() noexcept(Memory::kNothrow) {
        // Full: after every (8) so far, before the loads of the cells; see pin.hpp, the order S.
        memory_.fence(Step::kScanFence, std::memory_order_seq_cst);
        // Acquire, with the release of a pin: the reader's reads come before our next (7). Under
        // ThreadSanitizer, without the fence, sequentially consistent instead.
        constexpr std::memory_order kScanOrder =
            kThreadSanitizer ? std::memory_order_seq_cst : std::memory_order_acquire;
        free_.fill(channel_.geometry.slots);
        if (!current_.empty()) {
            free_.erase(current_.slot());
        }
        for (std::uint32_t i = 0; i < channel_.geometry.consumers(); ++i) {
            layout::SharedU32& cell = channel_.cell(CellIndex{i});
            CellWord word{memory_.load(Step::kScanCell, cell, kScanOrder)};
            if (word.state() == CellState::kPending && !current_.empty()) {
                word = help(cell);
            }
            // A word that another process has scribbled on pins nothing.
            if (word.names_slot() && channel_.has(word.slot())) {
                free_.erase(word.slot());
            }
        }
    }

    /// Pins the current message for a consumer that asks for help. Returns what the cell says now.
    CellWord help(layout::SharedU32& cell) noexcept(Memory::kNothrow) {
        std::uint32_t expected = CellWord{CellState::kPending}.raw();
        const CellWord held{CellState::kHeld, current_.slot()};
        // Release on success, with the acquire of (5): the message is whole. Acquire on failure:
        // as the scan's load; it fails only if the consumer has got on by itself.
        const bool helped =
            memory_.compare_exchange(Step::kHelp, cell, expected, held.raw(),
                                     std::memory_order_acq_rel, std::memory_order_acquire);
        return helped ? held : CellWord{expected};
    }

    Channel channel_;
    SlotSet free_;
    Current current_;             ///< what (8) stored last
    std::uint64_t sequence_ = 0;  ///< of current_, all 64 bits
    bool outstanding_ = false;    ///< a slot is taken
    [[no_unique_address]] Memory memory_;
};

}  // namespace shmipc::protocol
