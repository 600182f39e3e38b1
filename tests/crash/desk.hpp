// Desk: the page on which the test gives its orders to a victim, and the victim says what it is at.
// In memory of its own, which outlives the victim.
//
// Plain memory: the victim runs only while the test waits for it to stop, which orders the two.
#pragma once

#include "payload.hpp"
#include <shmipc/worker.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace shmipc::crash {

enum class Task : std::uint32_t {
    kCreate,      ///< Group::create_or_open()
    kAttach,      ///< Worker::attach(); unless `count`, checks the pins that a predecessor left
    kHandles,     ///< takes its producer and its consumer of `channel`; checks its own last message
    kLap,         ///< publishes `count` messages
    kSeek,        ///< publishes until the next message but `count` is of Desk::kLength bytes, and
                  ///< this life has published an odd or an even number; and prepares that message
    kPublish,     ///< publishes the prepared message by a copy
    kLoan,        ///< fills a slot with it in place, in two halves, and publishes that
    kReturnLoan,  ///< fills half of a loan and gives it back
    kAcquire,
    kRelease,
    kRecheck,  ///< the pinned message is still whole
    kWait,
    kLeave
};

struct Order {
    Task task = Task::kAttach;
    std::uint32_t count = 0;
    std::uint32_t parity = 0;  ///< of the messages published in this life before the prepared one
    WorkerIndex channel{0};    ///< for a consumer's orders
};

struct Desk {
    static constexpr std::size_t kPinsAtMost = 8;
    /// Bytes of the message that is published under the eyes of the test: always the same, so that
    /// the path is, and no multiple of a word.
    static constexpr std::uint64_t kLength = 101;

    // Written by the test.
    std::array<char, 80> group{};
    std::uint32_t workers = 0;
    std::uint64_t capacity = 0;
    std::uint32_t slots = 0;
    WorkerIndex index{0};
    Order order;

    // Written by the victim.
    bool done = false;              ///< the order has been carried out
    std::array<char, 256> fault{};  ///< a broken invariant
    std::uint32_t incarnation = 0;
    std::uint64_t recovered = 0;  ///< sequence that attaching found
    std::uint32_t pins = 0;       ///< reclaimed
    std::array<Worker::ReclaimedPin, kPinsAtMost> reclaimed{};
    std::uint64_t publishing = 0;  ///< sequence of the publish that has begun last
    std::uint64_t published = 0;   ///< sequence of the publish that has returned last
    std::uint64_t held = 0;        ///< sequence of the message that is pinned
    std::uint64_t kept = 0;        ///< of the one that was released last
};

}  // namespace shmipc::crash
