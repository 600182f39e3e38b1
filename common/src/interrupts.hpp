// Interrupts of a membership's waits: each ends the wait that runs, or else the next one, of every
// thread that waits.
//
// Counted, not flagged: a flag would be taken by the first of several waiters. How many a thread
// has been told of it notes itself, so that one which has looked at a "stop" just before it was
// set, and begins to wait just after another thread was woken, is not left asleep. A thread that
// has never waited has notes of none; its first wait goes on from what others have been told.
#pragma once

#include <atomic>
#include <cstdint>

namespace shmipc::detail {

class Interrupts {
  public:
    /// What one thread has been told of.
    struct Heard {
        std::uint64_t of = 0;  ///< Interrupts::id_
        std::uint64_t count = 0;
    };

    Interrupts() noexcept;
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
    ~Interrupts() = default;

    /// Async-signal-safe.
    void raise() noexcept {
        // (1) Release, with (2): what was done before is seen by who is interrupted.
        raised_.fetch_add(1, std::memory_order_release);
    }
    /// This thread's notes, as it begins to wait. Valid until it begins to wait with another.
    [[nodiscard]] Heard& begin_wait() const noexcept;
    /// Whether one was raised that this thread has not been told of. It has been now.
    [[nodiscard]] bool take(Heard& heard) noexcept;

  private:
    std::uint64_t id_;
    std::atomic<std::uint64_t> raised_{0};
    /// The most that any thread has been told of. Relaxed: a bare number, of which more or less
    /// decides about threads only that begin to wait at this moment for the first time.
    std::atomic<std::uint64_t> told_{0};
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
};

}  // namespace shmipc::detail
