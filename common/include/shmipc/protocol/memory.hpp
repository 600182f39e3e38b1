// Not for users: what inlined code of the public headers needs.
//
// How the protocol touches shared memory: a policy, so that tests can stop, kill or reorder it at
// every single step.
//
// The algorithms in this directory are templates over a Memory with the five functions of
// NativeMemory. Each operation carries its Step, the number that comments and the models in
// tests/model/ use. A test's Memory may run a hook before and after the step (HookedMemory), or
// replace the operation altogether.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace shmipc::protocol {

/// Every operation on shared memory. The hundreds are the step's number in the protocol (pin.hpp,
/// publish.hpp, sleep.hpp); the rest tells apart the operations within a step.
enum class Step : std::uint16_t {
    // A consumer's acquire and release (pin.hpp).
    kLook = 0,           ///< load(current), before (1)
    kAnnounce = 100,     ///< (1) exchange(cell, CLAIMED)
    kConfirm = 200,      ///< (2) load(current) again
    kHold = 201,         ///< (2) store(cell, HELD)
    kPend = 300,         ///< (3) exchange(cell, PENDING)
    kReload = 400,       ///< (4) load(current)
    kHoldPending = 500,  ///< (5) CAS(cell, PENDING → HELD)
    kReadHeader = 510,   ///< header of the pinned slot
    kVerify = 520,       ///< load(cell) at release
    kRelease = 530,      ///< store(cell, KEPT or FREE)
    kHoldAgain = 540,    ///< store(cell, KEPT → HELD), the same message again
    kInspect = 550,      ///< a successor's load(cell)
    kReclaim = 560,      ///< a successor's exchange(cell, FREE)

    // A producer's publish (publish.hpp).
    kScanFence = 600,      ///< (6) full fence
    kScanCurrent = 601,    ///< (6) a successor's load(current)
    kScanCell = 602,       ///< (6) load(cell i)
    kHelp = 603,           ///< (6) CAS(cell i, PENDING → HELD)
    kWriteBegin = 700,     ///< (7) store(slot.sequence, 0)
    kWriteFence = 701,     ///< (7) release fence
    kWriteHeader = 702,    ///< (7) time, size, incarnation
    kWritePayload = 703,   ///< (7) the payload; for the hook alone
    kWriteSequence = 704,  ///< (7) store(slot.sequence)
    kPublish = 800,        ///< (8) store(current)

    // Waking (9) and sleeping (sleep.hpp).
    kWakeFence = 900,     ///< (9) full fence, only where there is no membarrier
    kWakeLook = 901,      ///< (9) load(waiting)
    kWakeClear = 902,     ///< (9) exchange(waiting, 0)
    kWakeTake = 903,      ///< (9) exchange(sleepers word, 0)
    kWakeRing = 904,      ///< (9) doorbell += 1
    kWakeCall = 905,      ///< (9) futex wake; for the hook alone
    kSleepListen = 910,   ///< load(doorbell)
    kSleepEnter = 911,    ///< sleepers |= bit
    kSleepFlag = 912,     ///< exchange(waiting, 1)
    kSleepBarrier = 913,  ///< membarrier; for the hook alone
    kSleepLook = 914,     ///< load(current)
    kSleepCall = 915,     ///< futex wait; for the hook alone

    // Observers (copy.hpp).
    kCopyCurrent = 950,  ///< load(current)
    kCopyBefore = 951,   ///< load(slot.sequence), before the copy
    kCopyPayload = 952,  ///< a relaxed word of the payload
    kCopyFence = 953,    ///< acquire fence
    kCopyAfter = 954,    ///< load(slot.sequence), after the copy
};

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#else
inline constexpr bool kThreadSanitizer = false;
#endif

/// The machine's own memory.
struct NativeMemory {
    /// Whether no operation throws. A test's hook may throw to take a process out of the protocol
    /// between two steps, as a death would.
    static constexpr bool kNothrow = true;

    template <class T>
    T load(Step /*step*/, const std::atomic<T>& word, std::memory_order order) noexcept {
        return word.load(order);
    }
    template <class T>
    void store(Step /*step*/, std::atomic<T>& word, T value, std::memory_order order) noexcept {
        word.store(value, order);
    }
    template <class T>
    T exchange(Step /*step*/, std::atomic<T>& word, T value, std::memory_order order) noexcept {
        return word.exchange(value, order);
    }
    template <class T>
    bool compare_exchange(Step /*step*/, std::atomic<T>& word, T& expected, T desired,
                          std::memory_order success, std::memory_order failure) noexcept {
        return word.compare_exchange_strong(expected, desired, success, failure);
    }
    template <class T>
    T fetch_or(Step /*step*/, std::atomic<T>& word, T bits, std::memory_order order) noexcept {
        return word.fetch_or(bits, order);
    }
    template <class T>
    T fetch_add(Step /*step*/, std::atomic<T>& word, T value, std::memory_order order) noexcept {
        return word.fetch_add(value, order);
    }
    /// ThreadSanitizer does not understand fences (and g++ warns): it gets stronger operations
    /// instead, see ProducerEnd.
    void fence(Step /*step*/, [[maybe_unused]] std::memory_order order) noexcept {
        if constexpr (!kThreadSanitizer) {
            std::atomic_thread_fence(order);
        }
    }
    /// A step that is not an operation on a shared word of the protocol.
    void mark(Step /*step*/) noexcept {}
};

/// NativeMemory with `hook(step)` before every operation: a test's place to stop or to die.
template <class Hook>
class HookedMemory {
  public:
    static constexpr bool kNothrow = noexcept(std::declval<Hook&>()(Step::kLook));

    explicit HookedMemory(Hook hook) : hook_(std::move(hook)) {}

    template <class T>
    T load(Step step, const std::atomic<T>& word, std::memory_order order) {
        hook_(step);
        return native_.load(step, word, order);
    }
    template <class T>
    void store(Step step, std::atomic<T>& word, T value, std::memory_order order) {
        hook_(step);
        native_.store(step, word, value, order);
    }
    template <class T>
    T exchange(Step step, std::atomic<T>& word, T value, std::memory_order order) {
        hook_(step);
        return native_.exchange(step, word, value, order);
    }
    template <class T>
    bool compare_exchange(Step step, std::atomic<T>& word, T& expected, T desired,
                          std::memory_order success, std::memory_order failure) {
        hook_(step);
        return native_.compare_exchange(step, word, expected, desired, success, failure);
    }
    template <class T>
    T fetch_or(Step step, std::atomic<T>& word, T bits, std::memory_order order) {
        hook_(step);
        return native_.fetch_or(step, word, bits, order);
    }
    template <class T>
    T fetch_add(Step step, std::atomic<T>& word, T value, std::memory_order order) {
        hook_(step);
        return native_.fetch_add(step, word, value, order);
    }
    void fence(Step step, std::memory_order order) {
        hook_(step);
        native_.fence(step, order);
    }
    void mark(Step step) { hook_(step); }

  private:
    Hook hook_;
    [[no_unique_address]] NativeMemory native_;
};

#if defined(SHMIPC_STEP_HOOK)
// The library built for the kill tests: the whole of it, with a hook that the test defines.
extern "C" void shmipc_step_hook(std::uint16_t step) noexcept;

struct GlobalHook {
    void operator()(Step step) const noexcept {
        shmipc_step_hook(static_cast<std::uint16_t>(step));
    }
};
struct DefaultMemory : HookedMemory<GlobalHook> {
    DefaultMemory() : HookedMemory(GlobalHook{}) {}
};
#else
using DefaultMemory = NativeMemory;
#endif

}  // namespace shmipc::protocol
