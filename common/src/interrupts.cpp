#include "interrupts.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace shmipc::detail {

namespace {

/// More memberships than this in one thread's waits push out each other's notes; what a thread has
/// no notes of is as if it had not waited yet.
constexpr std::size_t kNotes = 8;
struct Notes {
    std::array<Interrupts::Heard, kNotes> of_membership{};
    std::size_t oldest = 0;
};
// Without a destructor, so that it may be used as long as the thread runs.
thread_local Notes notes;

std::uint64_t next_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only to be unique
}

}  // namespace

Interrupts::Interrupts() noexcept : id_(next_id()) {}

Interrupts::Heard& Interrupts::begin_wait() const noexcept {
    for (Heard& heard : notes.of_membership) {
        if (heard.of == id_) {
            return heard;
        }
    }
    Heard& fresh = notes.of_membership[notes.oldest];
    notes.oldest = (notes.oldest + 1) % kNotes;
    fresh = {.of = id_, .count = told_.load(std::memory_order_relaxed)};
    return fresh;
}

bool Interrupts::take(Heard& heard) noexcept {
    // (2) Acquire, with (1).
    const std::uint64_t raised = raised_.load(std::memory_order_acquire);
    if (raised == heard.count) {
        return false;
    }
    heard.count = raised;
    std::uint64_t told = told_.load(std::memory_order_relaxed);
    while (told < raised && !told_.compare_exchange_weak(told, raised, std::memory_order_relaxed)) {
    }
    return true;
}

}  // namespace shmipc::detail
