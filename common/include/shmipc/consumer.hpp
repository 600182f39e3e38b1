// Consumer: the reading end of another worker's channel.
#pragma once

#include <shmipc/detail/cores.hpp>
#include <shmipc/error.hpp>
#include <shmipc/message.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace shmipc {

/// A pinned message, read where it lies. It stays whole and unchanged until release() or
/// destruction, however long that takes and whatever happens to its producer. Borrows its Consumer,
/// which must outlive it; the same thread rule.
template <Payload T>
class Pinned {
  public:
    Pinned(Pinned&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)),
          message_(other.message_),
          status_(other.status_) {}
    Pinned& operator=(Pinned&& other) noexcept {
        if (this != &other) {
            drop();
            core_ = std::exchange(other.core_, nullptr);
            message_ = other.message_;
            status_ = other.status_;
        }
        return *this;
    }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    ~Pinned() { drop(); }

    /// Whether there is a message.
    explicit operator bool() const noexcept { return core_ != nullptr; }
    /// kOk, or why there is none: kEmpty, kAlreadyPinned, kPayloadMismatch, kCorruptChannel.
    [[nodiscard]] Errc status() const noexcept { return status_; }

    /// The message. Requires operator bool, as all that follows.
    [[nodiscard]] const T& operator*() const noexcept requires(!std::is_same_v<T, Bytes>) {
        return *std::launder(reinterpret_cast<const T*>(payload()));
    }
    [[nodiscard]] const T* operator->() const noexcept requires(!std::is_same_v<T, Bytes>) {
        return &**this;
    }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        // Relaxed, here and below: constant while pinned, ordered by the acquire. The bound holds
        // also where a hostile producer changes the size under us.
        return {payload(), detail::bounded_size(header(), core_->channel.geometry.capacity)};
    }
    /// Whether it is another message than the one acquired before it.
    [[nodiscard]] bool fresh() const noexcept { return core_->end.fresh(); }
    [[nodiscard]] std::uint64_t sequence() const noexcept {
        return header().sequence.load(std::memory_order_relaxed);
    }
    [[nodiscard]] MessageInfo info() const noexcept { return detail::read_info(header()); }

    /// Gives the message back. It stays pinned in the background until the next acquire, at no cost
    /// to anybody, so that acquiring the same message again is almost free. kNotPinned: released
    /// already. kCellOverwritten: another process wrote into this consumer's cell meanwhile, so
    /// what was read may have changed under the reader.
    [[gnu::always_inline]] Errc release() noexcept {
        if (core_ == nullptr) {
            return Errc::kNotPinned;
        }
        core_->check_usable();
        return std::exchange(core_, nullptr)->end.release(message_);
    }

  private:
    template <Payload>
    friend class Consumer;
    explicit Pinned(Errc status) noexcept : core_(nullptr), status_(status) {}
    Pinned(detail::ConsumerCore* core, protocol::Current message) noexcept
        : core_(core), message_(message), status_(Errc::kOk) {}
    [[nodiscard]] layout::SlotHeader& header() const noexcept {
        return core_->channel.header(message_.slot());
    }
    [[nodiscard]] const std::byte* payload() const noexcept {
        return core_->channel.payload(message_.slot());
    }
    /// In a forked child the end is disowned: it releases nothing.
    [[gnu::always_inline]] void drop() noexcept {
        if (core_ != nullptr) {
            core_->end.release(message_);
        }
    }

    detail::ConsumerCore* core_;
    protocol::Current message_;
    Errc status_;
};

/// The reading end of one other worker's channel (Worker::consumer()). Move-only; keeps the
/// membership alive. Used by one thread at a time, in the process that attached; in a forked child
/// it aborts. Different consumers of one worker may be used by different threads. Never delays the
/// producer or another consumer, also when it is stopped or killed with a message pinned.
template <Payload T = Bytes>
class Consumer {
  public:
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    Consumer(Consumer&&) noexcept = default;
    Consumer& operator=(Consumer&& other) noexcept {
        if (this != &other) {
            give_up();
            membership_ = std::move(other.membership_);
            core_ = other.core_;
        }
        return *this;
    }
    ~Consumer() { give_up(); }

    /// Pins the latest message. Its sequence is never lower than that of an earlier acquire. An
    /// empty Pinned with kEmpty before the first message; with kAlreadyPinned while another is
    /// pinned. Progress: wait-free; one read-modify-write usually, three at the most; for the same
    /// message again none.
    [[nodiscard, gnu::always_inline]] Pinned<T> acquire() noexcept {
        detail::ConsumerCore* const core = core_;
        bool size_checked = true;  // of the message that is kept
        if (core->gate != detail::ConsumerCore::Gate::kOpen) [[unlikely]] {
            size_checked = false;  // it may have been acquired as another type
            core->check_usable();
            const Errc type = core->check_type();
            if (type != Errc::kOk) {
                return Pinned<T>(type);
            }
        }
        const auto [message, status, kept] = core->end.pin();
        if (status != Errc::kOk) {
            return Pinned<T>(status);
        }
        if constexpr (!std::is_same_v<T, Bytes>) {
            if (!(kept && size_checked) &&
                detail::read_size(core->channel.header(message.slot())) != sizeof(T)) [[unlikely]] {
                core->end.release(message, false);
                return Pinned<T>(Errc::kCorruptChannel);
            }
        }
        return Pinned<T>(core, message);
    }

    /// Whether a message has been published since the last one acquired. A hint: one load.
    [[nodiscard]] bool has_newer() const noexcept {
        core_->check_usable();
        return core_->end.has_newer();
    }

    /// Sleeps until there is something newer than the last message acquired. kOk, kTimeout, or
    /// kInterrupted (Worker::interrupt()). Beats the worker's heart meanwhile.
    Errc wait_newer(std::chrono::steady_clock::time_point deadline) {
        core_->check_usable();
        return detail::wait_newer(*membership_, *core_, deadline);
    }
    Errc wait_newer(std::chrono::nanoseconds timeout) {
        using Deadline = std::chrono::steady_clock::time_point;
        const Deadline now = std::chrono::steady_clock::now();
        // Not beyond the end of the clock, for those who mean "for ever".
        return wait_newer(timeout < Deadline::max() - now ? now + timeout : Deadline::max());
    }

    /// The worker whose channel this is.
    [[nodiscard]] WorkerIndex producer() const noexcept { return core_->index; }

  private:
    friend class Worker;
    Consumer(std::shared_ptr<detail::Membership> membership, detail::ConsumerCore* core) noexcept
        : membership_(std::move(membership)), core_(core) {}
    void give_up() noexcept {
        if (membership_ != nullptr) {
            core_->taken = false;
        }
    }

    std::shared_ptr<detail::Membership> membership_;
    detail::ConsumerCore* core_;
};

}  // namespace shmipc
