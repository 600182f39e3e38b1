// The parts of Producer and Consumer that do not depend on the payload's type. Owned by the
// membership (src/membership.hpp), at addresses that stay; handles borrow them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/message.hpp>
#include <shmipc/protocol/channel.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/pin.hpp>
#include <shmipc/protocol/publish.hpp>
#include <shmipc/protocol/sleep.hpp>

namespace shmipc::detail {

class Membership;

/// Aborts: a handle was used in a child of the process that attached.
[[noreturn]] void fail_in_forked_child() noexcept;
/// Raises a doorbell and wakes its sleeper. Async-signal-safe.
void ring(layout::SharedU32& doorbell) noexcept;

/// What a slot's header says of its message. Relaxed: the caller has the slot pinned, or, during
/// recovery, inherited; an earlier acquire orders the values.
inline MessageInfo read_info(const layout::SlotHeader& header) noexcept {
    return {.sequence = header.sequence.load(std::memory_order_relaxed),
            .incarnation = header.incarnation.load(std::memory_order_relaxed),
            .size = header.size.load(std::memory_order_relaxed),
            .time_source = TimeSource{header.time_source.load(std::memory_order_relaxed)},
            .time = std::chrono::nanoseconds{header.time_ns.load(std::memory_order_relaxed)}};
}

/// What the handles need of their membership on the data path, and nothing else.
struct Shared {
    std::atomic<bool> forked{false};        ///< in a child: mappings are gone
    layout::SharedU32* const* doorbells{};  ///< by worker index
    std::uint32_t workers = 0;
};

struct ProducerCore {
    ProducerCore(const protocol::Channel& own, const Shared& common) noexcept
        : end(own), shared(common) {}

    /// Relaxed: written in the forked child alone, before any of its code runs.
    void check_usable() const noexcept {
        if (shared.forked.load(std::memory_order_relaxed)) [[unlikely]] {
            fail_in_forked_child();
        }
    }

    Errc loan() noexcept {
        check_usable();
        if (loaned) {
            return Errc::kAlreadyLoaned;
        }
        slot = end.take();
        end.begin(slot);
        loaned = true;
        return Errc::kOk;
    }
    void give_back() noexcept {
        end.give_back(slot);
        loaned = false;
    }
    Errc publish(std::uint64_t size) noexcept {
        check_usable();
        if (!loaned) {
            return Errc::kNotLoaned;
        }
        if (size > end.channel().geometry.capacity) {
            return Errc::kTooLarge;
        }
        const auto nanoseconds = time_source == TimeSource::kNone ? 0 : now(time_source).count();
        end.publish(slot, {.size = static_cast<std::uint32_t>(size),
                           .incarnation = incarnation,
                           .time_ns = static_cast<std::uint64_t>(nanoseconds),
                           .time_source = static_cast<std::uint32_t>(time_source)});
        loaned = false;
        protocol::wake_sleepers(memory, *end.channel().shared_part, shared.workers, wake_fence,
                                [this](WorkerIndex worker) {
                                    memory.mark(protocol::Step::kWakeCall);
                                    ring(*shared.doorbells[to_number(worker)]);
                                });
        return Errc::kOk;
    }

    protocol::ProducerEnd<> end;
    const Shared& shared;
    SlotIndex slot{0};
    std::uint32_t incarnation = 0;
    TimeSource time_source = TimeSource::kCoarse;
    bool loaned = false;
    bool wake_fence = true;
    bool taken = false;  ///< handed out as a Producer
    [[no_unique_address]] protocol::DefaultMemory memory;
};

struct ConsumerCore {
    ConsumerCore(const protocol::Channel& other, WorkerIndex producer, WorkerIndex me,
                 const Shared& common) noexcept
        : channel(other), end(other, cell_of(me, producer)), shared(common), index(producer) {}

    /// As in ProducerCore.
    [[nodiscard]] bool forked() const noexcept {
        return shared.forked.load(std::memory_order_relaxed);
    }
    void check_usable() const noexcept {
        if (forked()) [[unlikely]] {
            fail_in_forked_child();
        }
    }
    [[nodiscard]] layout::SlotHeader& header() const noexcept { return channel.header(end.slot()); }
    [[nodiscard]] const std::byte* payload() const noexcept { return channel.payload(end.slot()); }

    protocol::Channel channel;
    protocol::ConsumerEnd<> end;
    const Shared& shared;
    WorkerIndex index;          ///< of the channel
    PayloadType expected;       ///< what the handle's type asks for
    bool type_checked = false;  ///< against the channel's stamp
    bool taken = false;         ///< handed out as a Consumer

    /// kOk, kEmpty if the channel is not stamped yet, or kPayloadMismatch.
    Errc check_type() noexcept;
};

/// Sleeps until the channel has something newer, the deadline passes, or the membership is
/// interrupted. In membership.cpp.
Errc wait_newer(Membership& membership, ConsumerCore& core,
                std::chrono::steady_clock::time_point deadline);

}  // namespace shmipc::detail
