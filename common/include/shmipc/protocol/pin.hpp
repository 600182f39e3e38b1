// Not for users: what inlined code of the public headers needs.
//
// Acquire and release: how a consumer pins the latest message of a channel.
//
//   acquire   (0) c = load(current); nothing there: empty; the message I hold already: done
//             (1) exchange(cell, CLAIMED c.slot)    announce, optimistically
//             (2) load(current) still c: store(cell, HELD c.slot), done          usual case
//             (3) exchange(cell, PENDING)           overtaken: ask for help
//             (4) c = load(current)
//             (5) CAS(cell, PENDING → HELD c.slot); where it fails the producer has helped, and the
//                 cell says which slot it has pinned for us
//   release   store(cell, KEPT slot): pinned until the next acquire, which costs nobody anything;
//             or FREE
//
// Why the slot of (2) or (5) is not rewritten while the cell names it. The producer rewrites a slot
// only after a scan (publish.hpp (6)) that began, with a full fence, after the slot had been
// retired by a store to `current` (8). (1)/(2), (3)/(4), (8) and that fence stand in one total
// order S:
//   - If (2) still finds c, then in S it precedes the (8) that retires c, hence also the fence of
//     the next scan; (1) precedes (2); so that scan, and every later one, sees the cell.
//   - (4) is the same with the cell PENDING: the next scan either finds it PENDING, and pins the
//     current slot for us with a CAS, in which case (5) fails and we take the producer's word; or
//     it finds what (5) stored.
//   - A CLAIMED cell may name a slot that was never ours: nobody reads through it.
// Why the sequence never goes back: what (2), (5) or the helper pins was current at an instant
// after the acquire began, and `current` only grows. (A bitmask of pins a slot fails here: a
// consumer with a stale index can lock a slot that is already written but not yet current.)
//
// Death at any step leaves one of the five states in the cell. Until a successor reclaims it, it
// costs at most one slot, which the count S ≥ R + 2 includes.
//
// Related: Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", IEEE TPDS
// 15(6), 2004, whose announce-and-confirm this is, with help in place of the retry, so that it is
// wait-free; Ianni, Pellegrini, Quaglia, "Anonymous Readers Counting: A Wait-Free Multi-Word Atomic
// Register Algorithm for Scalable Data Sharing on Multi-Core Machines", IEEE TPDS 30(2), 2018,
// which needs N + 2 buffers for N readers as we do, but counts readers and so cannot tell which one
// died.
//
// Checked by exhaustive search with deaths at every step: tests/model/channel.pml.
#pragma once

#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/words.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace shmipc::protocol {

/// One consumer's end of one channel. Owned by one process and used by one thread at a time; the
/// cell must be this process's own, which the identity lock ensures.
template <class Memory = DefaultMemory>
class ConsumerEnd {
  public:
    ConsumerEnd(const Channel& channel, CellIndex cell, Memory memory = Memory()) noexcept
        : channel_(channel),
          cell_(&channel.cell(cell)),
          reads_(&channel.cells[to_number(cell)].reads),
          memory_(std::move(memory)) {}

    /// What acquire() returns, in registers.
    struct Outcome {
        Current message;  ///< empty unless kOk
        Errc status = Errc::kOk;
        bool kept = false;  ///< the message that was kept, which has been looked at before
    };

    /// Pins the latest message. kOk: pinned, and the message's slot is constant until release() and
    /// the acquire after it. kEmpty: nothing has been published. kAlreadyPinned: release first;
    /// nothing changes. kCorruptChannel: `current` or the slot's header holds what the protocol
    /// cannot produce; nothing is pinned.
    /// Progress: wait-free; one read-modify-write usually, three at the most; for the same message
    /// again none.
    [[gnu::always_inline]] Outcome pin() noexcept(Memory::kNothrow) {
        // Relaxed: what it names is confirmed by (2), or is what an earlier acquire has confirmed.
        const Current seen{
            memory_.load(Step::kLook, channel_.current(), std::memory_order_relaxed)};
        if (grip_.keeps(seen)) {
            hold_again(seen);
            return {seen, Errc::kOk, true};
        }
        if (grip_.held()) {
            return {{}, Errc::kAlreadyPinned};
        }
        if (seen.empty() || !channel_.has(seen.slot())) [[unlikely]] {
            return {{}, seen.empty() && last().empty() ? Errc::kEmpty : Errc::kCorruptChannel};
        }
        return pin_new(seen);
    }
    Errc acquire() noexcept(Memory::kNothrow) { return pin().status; }

    /// Gives back `message`, which is pinned. `keep` leaves it pinned until the next acquire, so
    /// that the same message can be had again for nothing; otherwise its slot is free at once.
    /// kCellOverwritten: another process wrote into the cell while it was pinned, so the message
    /// may have changed under the reader; it is released all the same. Progress: wait-free; one
    /// load and one store.
    [[gnu::always_inline]] Errc release(Current message,
                                        bool keep = true) noexcept(Memory::kNothrow) {
        // Relaxed: only this thread writes here while the pin is HELD, unless a stray write does.
        const CellWord found{memory_.load(Step::kVerify, *cell_, std::memory_order_relaxed)};
        const bool intact = found == CellWord{CellState::kHeld, message.slot()};
        if (!keep || !intact) [[unlikely]] {
            let_go();
            return intact ? Errc::kOk : Errc::kCellOverwritten;
        }
        grip_ = Grip{message, Grip::kKept};
        // Release, with the acquire of the scan (6): our reads come before what overwrites.
        store_cell(Step::kRelease, CellWord{CellState::kKept, message.slot()});
        return Errc::kOk;
    }
    /// The same for whatever is pinned. kNotPinned: nothing is.
    Errc release(bool keep = true) noexcept(Memory::kNothrow) {
        return grip_.held() ? release(last(), keep) : Errc::kNotPinned;
    }

    /// Whether something newer than the last acquired message has been published. It promises
    /// nothing about a later acquire, and orders nothing.
    /// Progress: wait-free; one load.
    [[nodiscard]] bool has_newer() noexcept(Memory::kNothrow) {
        return memory_.load(Step::kLook, channel_.current(), std::memory_order_relaxed) !=
               last().raw();
    }

    [[nodiscard]] bool pinned() const noexcept { return grip_.held(); }
    /// The slot of the last acquired message. Requires an acquire that returned kOk.
    [[nodiscard]] SlotIndex slot() const noexcept { return last().slot(); }
    /// Whether the message that is pinned is another one than the one before it.
    [[nodiscard]] bool fresh() const noexcept { return grip_.fresh(); }
    /// `current` as of the last acquired message; empty before the first.
    [[nodiscard]] Current last() const noexcept { return grip_.last(); }

    /// What a dead predecessor left in the cell. If whole(), the slot's message is intact and stays
    /// so until reclaim(), and may be read once more. A CLAIMED slot may be under the producer's
    /// pen: it must not be read. Call before the first acquire.
    [[nodiscard]] CellWord inspect() noexcept(Memory::kNothrow) {
        // Acquire, with the release of (2) or the CAS of (5) or of the helper: the predecessor, or
        // the producer, had seen the whole message before it stored HELD.
        const CellWord word{memory_.load(Step::kInspect, *cell_, std::memory_order_acquire)};
        const bool usable = word.whole() && channel_.has(word.slot());
        return usable || !word.whole() ? word : CellWord{CellState::kFree};
    }

    /// Frees what a dead predecessor left. Idempotent: a death during it is one more death.
    /// Progress: wait-free; one read-modify-write.
    void reclaim() noexcept(Memory::kNothrow) {
        // Acquire-release: after our reads in inspect(), with the scan's acquire (6); an exchange,
        // because the producer may be helping a PENDING cell at this instant: whichever of the two
        // comes second, the cell ends FREE, since the helper's CAS finds PENDING no more.
        memory_.exchange(Step::kReclaim, *cell_, CellWord{CellState::kFree}.raw(),
                         std::memory_order_acq_rel);
        grip_ = Grip{};
    }

    /// In a forked child, where nothing is mapped: what is still released there touches a word of
    /// the child's own.
    void disown() noexcept {
        static layout::SharedU32 nowhere{CellWord{CellState::kFree}.raw()};
        cell_ = &nowhere;
    }

  private:
    /// What this end knows of its cell, in one word, since to acquire the same message again is
    /// little more than its stores: the last message acquired, in the bits of Current; in bits that
    /// no slot's number needs, what the cell does with it. On the data path it is compared and
    /// stored, but no value is derived from it: else each acquire would wait for the store of the
    /// one before.
    class Grip {
      public:
        static constexpr std::uint64_t kKept = 0;
        static constexpr std::uint64_t kHeld = 1U << 15U;
        static constexpr std::uint64_t kNothing = 1U << 14U;
        static constexpr std::uint64_t kFresh = 1U << 13U;  ///< besides kHeld
        static_assert(layout::Geometry::maximum_slots(kMaxWorkers) < kFresh);

        constexpr Grip() noexcept = default;
        constexpr Grip(Current last, std::uint64_t flags) noexcept : raw_(last.raw() | flags) {}
        /// The flags too: a hostile `current` may have them.
        [[nodiscard]] constexpr bool keeps(Current current) const noexcept {
            return raw_ == current.raw() && (current.raw() & (kHeld | kNothing | kFresh)) == 0;
        }
        [[nodiscard]] constexpr bool held() const noexcept { return (raw_ & kHeld) != 0; }
        [[nodiscard]] constexpr bool fresh() const noexcept { return (raw_ & kFresh) != 0; }
        [[nodiscard]] constexpr Current last() const noexcept {
            return Current{raw_ & ~(kHeld | kNothing | kFresh)};
        }

      private:
        std::uint64_t raw_ = kNothing;
    };

    [[gnu::always_inline]] void hold_again(Current kept) noexcept(Memory::kNothrow) {
        // The pin has been KEPT since the release. Release all the same, with the acquire of the
        // scan (6): a scan that finds this HELD, and not the words before it, frees the slot of the
        // message that was read before the one kept, after those reads.
        store_cell(Step::kHoldAgain, CellWord{CellState::kHeld, kept.slot()});
        grip_ = Grip{kept, Grip::kHeld};
    }

    [[gnu::always_inline]] Outcome pin_new(Current seen) noexcept(Memory::kNothrow) {
        // (1) From here on the message kept so far is no longer ours.
        memory_.exchange(Step::kAnnounce, *cell_, CellWord{CellState::kClaimed, seen.slot()}.raw(),
                         std::memory_order_seq_cst);
        // (2) Sequentially consistent with (8) and the fence of (6); as an acquire it also
        // synchronizes-with the release of (8): the message is whole.
        if (memory_.load(Step::kConfirm, channel_.current(), std::memory_order_seq_cst) !=
            seen.raw()) [[unlikely]] {
            return pin_with_help();
        }
        // Release, with inspect(), and with the acquire of the scan (6): as in hold_again().
        store_cell(Step::kHold, CellWord{CellState::kHeld, seen.slot()});
        return pinned_as(seen);
    }

    /// Out of line: rare.
    [[gnu::noinline]] Outcome pin_with_help() noexcept(Memory::kNothrow) {
        // (3)
        memory_.exchange(Step::kPend, *cell_, CellWord{CellState::kPending}.raw(),
                         std::memory_order_seq_cst);
        // (4) As (2).
        const Current later{
            memory_.load(Step::kReload, channel_.current(), std::memory_order_seq_cst)};
        if (later.empty() || !channel_.has(later.slot())) {
            let_go();
            return {{}, Errc::kCorruptChannel};
        }
        // (5) Release on success: as (2). Acquire on failure: synchronizes-with the producer's
        // helping CAS (6), which is after its own write of the message that it pinned for us.
        std::uint32_t expected = CellWord{CellState::kPending}.raw();
        if (memory_.compare_exchange(Step::kHoldPending, *cell_, expected,
                                     CellWord{CellState::kHeld, later.slot()}.raw(),
                                     std::memory_order_acq_rel, std::memory_order_acquire)) {
            return pinned_as(later);
        }
        const CellWord helped{expected};
        if (helped.state() != CellState::kHeld || !channel_.has(helped.slot())) {
            let_go();
            return {{}, Errc::kCellOverwritten};
        }
        // Relaxed: ordered by the acquire of (5).
        return pinned_as(
            Current{channel_.header(helped.slot()).sequence.load(std::memory_order_relaxed),
                    helped.slot()});
    }

    /// The cell says HELD `now.slot()`, and the slot is ours. What is returned is `now` and not
    /// made of what the header says: else the address of the payload would depend on the header,
    /// and its line could not be asked for before the header's has come.
    [[gnu::always_inline]] Outcome pinned_as(Current now) noexcept(Memory::kNothrow) {
        layout::SlotHeader& header = channel_.header(now.slot());
        // Relaxed: ordered by the acquire of (2), (4) or (5).
        const std::uint64_t sequence =
            memory_.load(Step::kReadHeader, header.sequence, std::memory_order_relaxed);
        const Origin origin{header.origin.load(std::memory_order_relaxed)};  // as the line above
        if (sequence == 0 || !now.names(sequence) || origin.size() > channel_.geometry.capacity)
            [[unlikely]] {
            let_go();
            return {{}, Errc::kCorruptChannel};
        }
        if (now == last()) [[unlikely]] {  // it was not kept
            grip_ = Grip{now, Grip::kHeld};
            return {now, Errc::kOk};
        }
        // Relaxed, and no read-modify-write: only this process writes here, for statistics.
        reads_->store(reads_->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        grip_ = Grip{now, Grip::kHeld | Grip::kFresh};
        return {now, Errc::kOk};
    }

    [[gnu::noinline]] void let_go() noexcept(Memory::kNothrow) {
        grip_ = Grip{last(), Grip::kNothing};
        store_cell(Step::kRelease, CellWord{CellState::kFree});
    }

    [[gnu::always_inline]] void store_cell(Step step, CellWord word) noexcept(Memory::kNothrow) {
        memory_.store(step, *cell_, word.raw(), std::memory_order_release);
    }

    Channel channel_;
    layout::SharedU32* cell_;
    layout::SharedU64* reads_;
    Grip grip_;
    [[no_unique_address]] Memory memory_;
};

}  // namespace shmipc::protocol
