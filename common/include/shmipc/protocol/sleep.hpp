// Not for users: what inlined code of the public headers needs.
//
// Sleeping until a channel has something newer, and waking those who do.
//
// Each worker has a doorbell word, on which it alone sleeps. To sleep for any number of channels:
//   sleeper   e = load(doorbell, acquire)
//             for each channel: sleepers |= my bit; waiting = 1
//             full barrier, and one on every processor that runs a producer: membarrier
//             load(current) of each: something newer: done
//             futex_wait(doorbell, e) with a deadline
//   producer  (8); compiler barrier only
//             (9) load(waiting); if set: clear it; take the bits of sleepers, leaving 0;
//                 for each: doorbell += 1, futex_wake
//
// Each of these loses a wake-up for good, and tests/model/sleep.pml finds it: to read the doorbell
// late; to ring before the flag is cleared; to set the flag before the bit; to take the bits before
// the flag is cleared; to leave out the barrier; to ring, in recovery, only those whose bits are
// set.
//
// Why no wake-up is lost. In the one order in which the sleeper's membarrier puts each processor,
// the producer's (8) and (9) either both come before it, and the sleeper's look at `current` sees
// the message; or (9) comes after it, and sees the flag, which was set before; or (8) comes before
// and (9) after it, and both happen. If the producer sees the flag it takes every bit that was set
// before the flag was, and rings after that: the doorbell differs from e, or the sleeper is asleep
// on it and is woken. A flag set after the producer cleared it stays for the next publish, whose
// message is newer than the one the sleeper looked at.
//
// The producer pays one load of a line that nobody writes while nobody goes to sleep. It must have
// registered for membarrier's global expedited command (Vitals::membarrier); otherwise it uses a
// fence in each publish, and a sleeper on a kernel without membarrier sleeps for 10 ms at the most.
//
// Death of the producer between taking the bits and ringing: its successor's recovery rings every
// worker, always. Death of a sleeper: its bit costs one needless wake.
#pragma once

#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/words.hpp>

#include <atomic>
#include <bit>
#include <cstdint>
#include <utility>

namespace shmipc::protocol {

/// (9) First half: whether anybody may be asleep. `fence`: the producer has no membarrier
/// registration. Progress: wait-free; one load.
template <class Memory>
[[gnu::always_inline]] inline bool somebody_sleeps(Memory& memory, layout::SharedPart& shared,
                                                   bool fence) noexcept(Memory::kNothrow) {
    if (fence) {
        memory.fence(Step::kWakeFence, std::memory_order_seq_cst);
    } else {
        // The sleeper's membarrier orders (8) before (9) on this processor; the compiler must too.
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    // Acquire, with the flag's exchange in enter(): bits that were set before the flag are seen.
    return memory.load(Step::kWakeLook, shared.waiting, std::memory_order_acquire) != 0;
}

/// (9) Second half; rare, and makes system calls. `ring(WorkerIndex)` raises and wakes one
/// doorbell, see raise(). Progress: wait-free; O(N/64 + sleepers).
template <class Memory, class Ring>
inline void ring_sleepers(Memory& memory, layout::SharedPart& shared, std::uint32_t workers,
                          Ring&& ring) noexcept(Memory::kNothrow) {
    // An exchange: it continues the release sequence of every sleeper that has set the flag, so
    // that no flag is cleared whose bit is not taken below.
    memory.exchange(Step::kWakeClear, shared.waiting, std::uint32_t{0}, std::memory_order_acq_rel);
    for (std::uint32_t i = 0; i < (workers + 63U) / 64U; ++i) {
        // Acquire-release: after the clearing above; reads-from the sleeper's fetch_or.
        std::uint64_t bits = memory.exchange(Step::kWakeTake, shared.sleepers[i], std::uint64_t{0},
                                             std::memory_order_acq_rel);
        while (bits != 0) {
            const auto bit = static_cast<std::uint32_t>(std::countr_zero(bits));
            bits &= bits - 1U;
            const std::uint32_t worker = i * 64U + bit;
            // Another process may have scribbled on the bits.
            if (worker < workers) {
                ring(WorkerIndex{worker});
            }
        }
    }
}

/// (9) Both halves, to be called after each publish.
template <class Memory, class Ring>
inline void wake_sleepers(Memory& memory, layout::SharedPart& shared, std::uint32_t workers,
                          bool fence, Ring&& ring) noexcept(Memory::kNothrow) {
    if (somebody_sleeps(memory, shared, fence)) {
        ring_sleepers(memory, shared, workers, std::forward<Ring>(ring));
    }
}

/// Raises a doorbell: its sleeper's futex_wait will not begin. The caller wakes the futex after it.
template <class Memory>
inline void raise(Memory& memory, layout::SharedU32& doorbell) noexcept(Memory::kNothrow) {
    // Release, with listen(): what the sleeper is woken for comes before.
    memory.fetch_add(Step::kWakeRing, doorbell, std::uint32_t{1}, std::memory_order_release);
}

/// First step of a sleeper: the value to sleep on.
template <class Memory>
[[nodiscard]] inline std::uint32_t listen(
    Memory& memory, const layout::SharedU32& doorbell) noexcept(Memory::kNothrow) {
    // Acquire: the steps after it stay after it, and with raise().
    return memory.load(Step::kSleepListen, doorbell, std::memory_order_acquire);
}

/// Second step, for each channel: asks its producer to ring. The barrier comes after the last one.
template <class Memory>
inline void enter(Memory& memory, layout::SharedPart& shared,
                  WorkerIndex me) noexcept(Memory::kNothrow) {
    const std::uint64_t bit = std::uint64_t{1} << to_number(me) % 64U;
    // Acquire-release, with the producer's exchange of the word.
    memory.fetch_or(Step::kSleepEnter, shared.sleepers[to_number(me) / 64U], bit,
                    std::memory_order_acq_rel);
    // Release: who sees the flag sees the bit. An exchange, with the one that clears the flag.
    memory.exchange(Step::kSleepFlag, shared.waiting, std::uint32_t{1}, std::memory_order_acq_rel);
}

}  // namespace shmipc::protocol
