// Not for users: what inlined code of the public headers needs.
//
// Publish: how the producer of a channel finds a free slot, fills it and makes it current.
//
//   take      (6) no slot known to be free: full fence, then scan every cell; a PENDING one is
//                 turned into HELD the current slot by a CAS (help);
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

#include <shmipc/detail/check.hpp>
#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/slots.hpp>
#include <shmipc/protocol/words.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace shmipc::protocol {

/// What a message says of itself, besides its bytes.
struct Stamp {
    Origin origin;
    Time time;  ///< meaningless unless origin.timed()
};

/// The producer's end of a channel. Owned by one process, which holds the identity lock; used by
/// one thread at a time. Nothing that a consumer does, or leaves undone, delays it.
///
/// A publish is little more than its stores, so each one counts: the end keeps to itself only what
/// shared memory cannot tell, the free slots and the upper bits of the sequence.
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
        const Current current{
            memory_.load(Step::kScanCurrent, channel_.current(), std::memory_order_acquire)};
        if (current.empty()) {
            sequence_ = 0;
            return Errc::kOk;
        }
        if (!channel_.has(current.slot())) {
            return Errc::kCorruptChannel;
        }
        // Relaxed: ordered by the acquire above.
        sequence_ = channel_.header(current.slot()).sequence.load(std::memory_order_relaxed);
        return sequence_ != 0 && current.names(sequence_) ? Errc::kOk : Errc::kCorruptChannel;
    }

    /// Whether no slot is taken, and the end is not disowned.
    [[nodiscard]] bool idle() const noexcept { return use_ == Use::kIdle; }
    /// Whether a slot is taken, and neither published nor given back yet.
    [[nodiscard]] bool outstanding() const noexcept { return use_ == Use::kTaken; }
    /// In a forked child, where nothing is mapped: never idle() again.
    void disown() noexcept { use_ = Use::kDisowned; }

    /// (6) A slot that no consumer has, or can come to have, pinned; until publish() or give_back()
    /// it is the caller's to write. One at a time: with N+1 slots a second one need not exist.
    /// Progress: wait-free; a scan of R cells at the most, usually none.
    [[gnu::always_inline]] SlotIndex take() noexcept(Memory::kNothrow) {
        check_idle();
        const SlotIndex slot = next_free();
        use_ = Use::kTaken;
        return slot;
    }

    /// A taken slot that will not be published after all.
    void give_back(SlotIndex slot) noexcept {
        free_.insert(slot);
        use_ = Use::kIdle;
    }

    /// (7) Begins to write a taken slot: from here on observers know that it is in flux.
    [[gnu::always_inline]] void begin(SlotIndex slot) noexcept(Memory::kNothrow) {
        begin(channel_.header(slot));
    }

    /// (7), (8) Makes a slot that was begun, and whose payload is complete, the current message.
    /// Progress: wait-free; four stores.
    [[gnu::always_inline]] void publish(SlotIndex slot,
                                        const Stamp& stamp) noexcept(Memory::kNothrow) {
        make_current(slot, channel_.header(slot), stamp);
        use_ = Use::kIdle;
    }

    /// All of it at once, for those who have the payload ready: `fill(payload)` writes it and
    /// returns its stamp. Requires idle(). Progress: as take() and publish().
    template <class Fill>
    [[gnu::always_inline]] void write(Fill&& fill) noexcept(Memory::kNothrow) {
        check_idle();
        const SlotIndex slot = next_free();
        layout::SlotHeader& header = channel_.header(slot);
        begin(header);
        make_current(slot, header, fill(channel_.payload(header)));
    }

    /// Sequence of the last published message, over all incarnations; 0: none.
    [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
    /// What (8) stored last, by this incarnation or an earlier one; empty also if another process
    /// has scribbled on it, so that what it names lies within the channel.
    [[nodiscard]] Current current() const noexcept {
        // Relaxed: written by this process, or ordered by recover().
        const Current current{channel_.current().load(std::memory_order_relaxed)};
        return channel_.has(current.slot()) ? current : Current{};
    }
    [[nodiscard]] const Channel& channel() const noexcept { return channel_; }

  private:
    enum class Use : std::uint8_t { kIdle, kTaken, kDisowned };

    [[gnu::always_inline]] void check_idle() const noexcept {
        SHMIPC_CHECK(idle(), "one slot is taken at a time: a scan would find it free again");
    }

    [[gnu::always_inline]] SlotIndex next_free() noexcept(Memory::kNothrow) {
        SlotIndex slot{0};
        if (!free_.pop(slot)) [[unlikely]] {
            slot = scan_for_free();
        }
        return slot;
    }

    [[gnu::always_inline]] void begin(layout::SlotHeader& header) noexcept(Memory::kNothrow) {
        // Relaxed, ordered before the payload's bytes by the release fence, which the acquire fence
        // of copy.hpp (3) synchronizes-with.
        memory_.store(Step::kWriteBegin, header.sequence, std::uint64_t{0},
                      std::memory_order_relaxed);
        memory_.fence(Step::kWriteFence, std::memory_order_release);
        memory_.mark(Step::kWritePayload);
    }

    /// (7), (8)
    [[gnu::always_inline]] void make_current(SlotIndex slot, layout::SlotHeader& header,
                                             const Stamp& stamp) noexcept(Memory::kNothrow) {
        const std::uint64_t sequence = sequence_ + 1;
        // Relaxed: consumers get them by (8), observers by the sequence's release.
        memory_.store(Step::kWriteHeader, header.origin, stamp.origin.raw(),
                      std::memory_order_relaxed);
        if (stamp.origin.timed()) {
            header.time.store(stamp.time.raw(), std::memory_order_relaxed);
        }
        // Release, with copy.hpp (1).
        memory_.store(Step::kWriteSequence, header.sequence, sequence, std::memory_order_release);
        // (8) Release: whoever finds it by an acquire load, pin.hpp (2), (4) or the helping CAS,
        // has the whole message.
        const Current next{sequence, slot};
        if constexpr (kThreadSanitizer) {
            memory_.exchange(Step::kPublish, channel_.current(), next.raw(),
                             std::memory_order_seq_cst);
        } else {
            memory_.store(Step::kPublish, channel_.current(), next.raw(),
                          std::memory_order_release);
        }
        sequence_ = sequence;
    }

    /// (6) Out of line: rare where there are spare slots.
    [[gnu::noinline]] SlotIndex scan_for_free() noexcept(Memory::kNothrow) {
        // Full: after every (8) so far, before the loads of the cells; see pin.hpp, the order S.
        memory_.fence(Step::kScanFence, std::memory_order_seq_cst);
        // Acquire, with the release of a pin: the reader's reads come before our next (7). Under
        // ThreadSanitizer, without the fence, sequentially consistent instead.
        constexpr std::memory_order kScanOrder =
            kThreadSanitizer ? std::memory_order_seq_cst : std::memory_order_acquire;
        const Current now = current();
        free_.fill(channel_.geometry.slots);
        if (!now.empty()) {
            free_.erase(now.slot());
        }
        const std::uint32_t consumers = channel_.geometry.consumers();
        for (std::uint32_t i = 0; i < consumers; ++i) {
            layout::SharedU32& cell = channel_.cell(CellIndex{i});
            CellWord word{memory_.load(Step::kScanCell, cell, kScanOrder)};
            if (word.state() == CellState::kPending && !now.empty()) {
                word = help(cell, now);
            }
            // A word that another process has scribbled on pins nothing.
            if (word.names_slot() && channel_.has(word.slot())) {
                free_.erase(word.slot());
            }
        }
        SlotIndex slot{0};
        if (rescans_ && retired_.pop_free(now, free_, slot)) {
            free_.clear();
            return slot;
        }
        SHMIPC_CHECK(free_.pop(slot), "N+1 slots cannot all be current or pinned by N-1 cells");
        if (rescans_) {
            free_.clear();
        }
        return slot;
    }

    /// Pins the current message for a consumer that asks for help. Returns what the cell says now.
    CellWord help(layout::SharedU32& cell, Current now) noexcept(Memory::kNothrow) {
        std::uint32_t expected = CellWord{CellState::kPending}.raw();
        const CellWord held{CellState::kHeld, now.slot()};
        // Release on success, with the acquire of (5): the message is whole; the fence of (6) would
        // do. Acquire on success: this PENDING may be a later one than the scan has loaded, and the
        // reads of what was pinned in between come before it. Acquire on failure: as the scan's
        // load; it fails only if the consumer has got on by itself.
        const bool helped =
            memory_.compare_exchange(Step::kHelp, cell, expected, held.raw(),
                                     std::memory_order_acq_rel, std::memory_order_acquire);
        return helped ? held : CellWord{expected};
    }

    Channel channel_;
    /// Long messages: a scan for each, which is nothing beside writing them, and of the free slots
    /// the one that was current last, since most of it is still in the cache.
    bool rescans_ = channel_.geometry.capacity >= 16384 &&
                    channel_.geometry.consumers() <= channel_.geometry.capacity / 1024;
    RetiredSlots retired_;
    SlotSet free_;
    std::uint64_t sequence_ = 0;  ///< of the current message, all 64 bits
    Use use_ = Use::kIdle;
    [[no_unique_address]] Memory memory_;
};

}  // namespace shmipc::protocol
