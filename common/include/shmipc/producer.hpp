// Producer: the writing end of a worker's own channel.
#pragma once

#include <shmipc/detail/cores.hpp>
#include <shmipc/error.hpp>
#include <shmipc/message.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace shmipc {

/// A slot to fill in place. Returned unpublished, it leaves no trace. Borrows its Producer, which
/// must outlive it; the same thread rule.
template <Payload T>
class Loan {
  public:
    Loan(Loan&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)), slot_(other.slot_), status_(other.status_) {}
    Loan& operator=(Loan&& other) noexcept {
        if (this != &other) {
            give_back();
            core_ = std::exchange(other.core_, nullptr);
            slot_ = other.slot_;
            status_ = other.status_;
        }
        return *this;
    }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { give_back(); }

    /// Whether there is a slot to fill.
    explicit operator bool() const noexcept { return core_ != nullptr; }
    /// kOk, or why there is none: kAlreadyLoaned.
    [[nodiscard]] Errc status() const noexcept { return status_; }

    /// The payload to fill. It holds bytes of an old message, in no particular state: write all of
    /// it. Requires operator bool.
    [[nodiscard]] T& operator*() const noexcept requires(!std::is_same_v<T, Bytes>) {
        return *std::launder(reinterpret_cast<T*>(core_->end.channel().payload(slot_)));
    }
    [[nodiscard]] T* operator->() const noexcept requires(!std::is_same_v<T, Bytes>) {
        return &**this;
    }
    /// The same as raw bytes: the whole capacity.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept requires(std::is_same_v<T, Bytes>) {
        return {core_->end.channel().payload(slot_),
                static_cast<std::size_t>(core_->end.channel().geometry.capacity)};
    }

    /// Makes the payload the channel's latest message. kNotLoaned: published already.
    /// Progress: wait-free; no system call but one wake for each sleeper.
    [[gnu::always_inline]] Errc publish() noexcept requires(!std::is_same_v<T, Bytes>) {
        return core_ == nullptr ? Errc::kNotLoaned
                                : std::exchange(core_, nullptr)->publish(slot_, sizeof(T));
    }
    /// The same for the first `size` bytes. kTooLarge: more than the capacity; the loan stays open.
    [[gnu::always_inline]] Errc publish(std::size_t size) noexcept
        requires(std::is_same_v<T, Bytes>) {
        if (core_ == nullptr) {
            return Errc::kNotLoaned;
        }
        const Errc outcome = core_->publish(slot_, size);
        if (outcome == Errc::kOk) {
            core_ = nullptr;
        }
        return outcome;
    }

  private:
    template <Payload>
    friend class Producer;
    Loan(detail::ProducerCore* core, SlotIndex slot, Errc status) noexcept
        : core_(core), slot_(slot), status_(status) {}
    [[gnu::always_inline]] void give_back() noexcept {
        if (core_ != nullptr) {
            core_->give_back(slot_);
        }
    }

    detail::ProducerCore* core_;
    SlotIndex slot_;
    Errc status_;
};

/// The writing end of the channel of the worker that gave it out (Worker::producer()). Move-only;
/// keeps the membership alive. Used by one thread at a time, in the process that attached; in a
/// forked child it aborts. All functions are wait-free: no consumer, slow, stopped or dead, ever
/// delays them. A death at any instruction leaves the last published message as it is.
template <Payload T = Bytes>
class Producer {
  public:
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    Producer(Producer&&) noexcept = default;
    Producer& operator=(Producer&& other) noexcept {
        if (this != &other) {
            give_up();
            membership_ = std::move(other.membership_);
            core_ = other.core_;
        }
        return *this;
    }
    ~Producer() { give_up(); }

    /// A slot to fill in place and publish without a copy. One at a time: kAlreadyLoaned otherwise.
    [[nodiscard, gnu::always_inline]] Loan<T> loan() noexcept {
        detail::ProducerCore* const core = core_;
        SlotIndex slot{0};
        const Errc status = core->loan(slot);
        return {status == Errc::kOk ? core : nullptr, slot, status};
    }

    /// Publishes what `fill(payload)` writes in place: the shortest way for a message that is made
    /// where it is sent. The payload holds bytes of an old message: write all of it. `fill` must
    /// neither throw nor use this producer. kAlreadyLoaned: a loan is open.
    template <class Fill>
    [[gnu::always_inline]] Errc publish_with(Fill&& fill) noexcept
        requires(!std::is_same_v<T, Bytes>) {
        return core_->publish(sizeof(T), [&fill](std::byte* payload) {
            fill(*std::launder(reinterpret_cast<T*>(payload)));
        });
    }
    /// Copies and publishes. kAlreadyLoaned: a loan is open.
    [[gnu::always_inline]] Errc publish(const T& value) noexcept
        requires(!std::is_same_v<T, Bytes>) {
        return core_->publish(sizeof value, [&value](std::byte* payload) {
            std::memcpy(payload, &value, sizeof value);
        });
    }
    /// Copies and publishes 0 … capacity() bytes. kTooLarge: nothing is published.
    Errc publish(std::span<const std::byte> bytes) noexcept requires(std::is_same_v<T, Bytes>) {
        if (bytes.size() > capacity()) {
            return Errc::kTooLarge;
        }
        return core_->publish(bytes.size(), [bytes](std::byte* payload) {
            if (!bytes.empty()) {
                std::memcpy(payload, bytes.data(), bytes.size());
            }
        });
    }

    /// Sequence of the last message published, by this incarnation or an earlier one; 0: none.
    [[nodiscard]] std::uint64_t sequence() const noexcept { return core_->end.sequence(); }
    /// Bytes of the longest message.
    [[nodiscard]] std::uint64_t capacity() const noexcept {
        return core_->end.channel().geometry.capacity;
    }
    /// Copies the message that was published last, by this incarnation or an earlier one, so that a
    /// restarted producer can go on from it. False if there is none, or another process has
    /// scribbled on the channel so that it cannot be found.
    bool last(T& value) const noexcept requires(!std::is_same_v<T, Bytes>) {
        const std::optional<SlotIndex> slot = core_->last_slot();
        if (slot) {
            std::memcpy(&value, core_->end.channel().payload(*slot), sizeof value);
        }
        return slot.has_value();
    }
    /// The bytes of that message, where they lie; constant until the next publish and the one after
    /// it. Empty if there is none, or it cannot be found, as above.
    [[nodiscard]] std::span<const std::byte> last() const noexcept
        requires(std::is_same_v<T, Bytes>) {
        const std::optional<SlotIndex> slot = core_->last_slot();
        if (!slot) {
            return {};
        }
        const protocol::Channel& channel = core_->end.channel();
        return {channel.payload(*slot),
                detail::bounded_size(channel.header(*slot), channel.geometry.capacity)};
    }

  private:
    friend class Worker;
    Producer(std::shared_ptr<detail::Membership> membership, detail::ProducerCore* core) noexcept
        : membership_(std::move(membership)), core_(core) {}
    void give_up() noexcept {
        if (membership_ != nullptr) {
            core_->taken = false;
        }
    }

    std::shared_ptr<detail::Membership> membership_;
    detail::ProducerCore* core_;
};

}  // namespace shmipc
