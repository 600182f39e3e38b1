// Not for users: what inlined code of the public headers needs.
//
// The parts of Producer and Consumer that do not depend on the payload's type. Owned by the
// membership (src/membership.hpp), at addresses that stay; handles borrow them.
#pragma once

#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/message.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>
#include <shmipc/protocol/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace shmipc::detail {

class Membership;

/// Aborts: a handle was used in a child of the process that attached.
[[noreturn]] void fail_in_forked_child() noexcept;
/// Raises a doorbell and wakes its sleeper. Async-signal-safe.
void ring(layout::SharedU32& doorbell) noexcept;

/// The words of a slot's header, for people.
inline MessageInfo to_info(std::uint64_t sequence, protocol::Origin origin,
                           protocol::Time time) noexcept {
    const protocol::Time told = origin.timed() ? time : protocol::Time{};
    return {.sequence = sequence,
            .incarnation = origin.incarnation(),
            .size = origin.size(),
            .time_source = TimeSource{told.source()},
            .time = std::chrono::nanoseconds{told.nanoseconds()}};
}

/// What a slot's header says of its message. Relaxed: the caller has the slot pinned, or, during
/// recovery, inherited; an earlier acquire orders the values.
inline MessageInfo read_info(const layout::SlotHeader& header) noexcept {
    return to_info(header.sequence.load(std::memory_order_relaxed),
                   protocol::Origin{header.origin.load(std::memory_order_relaxed)},
                   protocol::Time{header.time.load(std::memory_order_relaxed)});
}
inline std::uint32_t read_size(const layout::SlotHeader& header) noexcept {
    return protocol::Origin{header.origin.load(std::memory_order_relaxed)}.size();
}

/// The same, and no more than a slot has, also where another process has scribbled on the header.
inline std::size_t bounded_size(const layout::SlotHeader& header, std::uint64_t capacity) noexcept {
    const std::uint64_t size = read_size(header);
    return static_cast<std::size_t>(size < capacity ? size : capacity);
}

/// Who is to be woken, and how: the same for all handles of a membership.
struct Doorbells {
    layout::SharedU32* const* by_worker{};
    std::uint32_t workers = 0;
};

struct ProducerCore {
    ProducerCore(const protocol::Channel& own, const Doorbells& of_group) noexcept
        : end(own), doorbells(of_group) {}

    void check_usable() const noexcept {
        if (forked) [[unlikely]] {
            fail_in_forked_child();
        }
    }
    /// Why the end is not idle.
    [[gnu::noinline]] Errc refuse() const noexcept {
        check_usable();
        return Errc::kAlreadyLoaned;
    }

    [[gnu::always_inline]] Errc loan(SlotIndex& slot) noexcept {
        if (!end.idle()) [[unlikely]] {
            return refuse();
        }
        slot = end.take();
        end.begin(slot);
        return Errc::kOk;
    }
    void give_back(SlotIndex slot) noexcept {
        if (end.outstanding()) {  // not in a forked child
            end.give_back(slot);
        }
    }
    [[gnu::always_inline]] Errc publish(SlotIndex slot, std::uint64_t size) noexcept {
        if (!end.outstanding()) [[unlikely]] {
            check_usable();
            return Errc::kNotLoaned;
        }
        if (size > end.channel().geometry.capacity) {
            return Errc::kTooLarge;
        }
        end.publish(slot, stamp(size));
        wake();
        return Errc::kOk;
    }
    /// loan() and publish() at once. `copy(payload)` writes `size` bytes, which must fit.
    template <class Copy>
    [[gnu::always_inline]] Errc publish(std::uint64_t size, Copy&& copy) noexcept {
        if (!end.idle()) [[unlikely]] {
            return refuse();
        }
        end.write([&](std::byte* payload) {
            copy(payload);
            return stamp(size);
        });
        wake();
        return Errc::kOk;
    }

    /// Where the last message is; nothing if there is none, or it cannot be found.
    [[nodiscard]] std::optional<SlotIndex> last_slot() const noexcept {
        check_usable();
        const protocol::Current current = end.current();
        if (end.sequence() == 0 || current.empty()) {
            return std::nullopt;
        }
        return current.slot();
    }

    [[gnu::always_inline]] protocol::Stamp stamp(std::uint64_t size) const noexcept {
        const auto bytes = static_cast<std::uint32_t>(size);
        if (time_source == TimeSource::kNone) {
            return {.origin = protocol::Origin{incarnation, bytes, false}, .time = {}};
        }
        const auto nanoseconds = static_cast<std::uint64_t>(now(time_source).count());
        return {.origin = protocol::Origin{incarnation, bytes, true},
                .time = protocol::Time{nanoseconds, static_cast<std::uint32_t>(time_source)}};
    }
    [[gnu::always_inline]] void wake() noexcept {
        if (protocol::somebody_sleeps(memory, *end.channel().shared_part, wake_fence))
            [[unlikely]] {
            ring_sleepers();
        }
    }
    [[gnu::noinline]] void ring_sleepers() noexcept {
        protocol::ring_sleepers(memory, *end.channel().shared_part, doorbells.workers,
                                [this](WorkerIndex worker) {
                                    memory.mark(protocol::Step::kWakeCall);
                                    ring(*doorbells.by_worker[to_number(worker)]);
                                });
    }

    protocol::ProducerEnd<> end;
    const Doorbells& doorbells;
    std::uint32_t incarnation = 0;
    TimeSource time_source = TimeSource::kCoarse;
    bool wake_fence = true;
    bool taken = false;   ///< handed out as a Producer
    bool forked = false;  ///< in a child: the mappings are gone, and the end is disowned
    [[no_unique_address]] protocol::DefaultMemory memory;
};

struct ConsumerCore {
    ConsumerCore(const protocol::Channel& other, WorkerIndex producer, WorkerIndex me) noexcept
        : channel(other), end(other, cell_of(me, producer)), index(producer) {}

    void check_usable() const noexcept {
        if (gate == Gate::kForked) [[unlikely]] {
            fail_in_forked_child();
        }
    }

    protocol::Channel channel;
    protocol::ConsumerEnd<> end;
    WorkerIndex index;     ///< of the channel
    PayloadType expected;  ///< what the handle's type asks for
    /// What is to be looked at before an acquire.
    enum class Gate : std::uint8_t {
        kOpen,
        kTypeUnchecked,  ///< the channel's stamp
        kForked,         ///< in a child: the mappings are gone, and the end is disowned
    };
    Gate gate = Gate::kTypeUnchecked;
    bool taken = false;  ///< handed out as a Consumer

    /// Opens the gate. kOk, kEmpty if the channel is not stamped yet, or kPayloadMismatch.
    Errc check_type() noexcept;
};

/// Sleeps until the channel has something newer, the deadline passes, or the membership is
/// interrupted. In membership.cpp.
Errc wait_newer(Membership& membership, ConsumerCore& core,
                std::chrono::steady_clock::time_point deadline);

}  // namespace shmipc::detail
