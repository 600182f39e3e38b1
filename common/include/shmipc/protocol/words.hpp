// Not for users: what inlined code of the public headers needs.
//
// The shared words of the protocol, and what their bits mean.
#pragma once

#include <shmipc/ids.hpp>

#include <cstdint>

namespace shmipc::protocol {

/// Value of `current`: low 48 bits of the sequence above slot + 1 in the low 16 bits; 0 is "nothing
/// published yet". It is compared for equality only. 48 bits wrap after two months of publishing
/// flat out; a consumer would have to stop between two of its steps for exactly that long to be
/// deceived, and order comes from the full sequence in the slot.
class Current {
  public:
    constexpr Current() noexcept = default;
    constexpr explicit Current(std::uint64_t raw) noexcept : raw_(raw) {}
    constexpr Current(std::uint64_t sequence, SlotIndex slot) noexcept
        : raw_(sequence << 16U | (to_number(slot) + 1U)) {}

    [[nodiscard]] constexpr std::uint64_t raw() const noexcept { return raw_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return raw_ == 0; }
    /// Meaningless when empty(); may be out of range when the word is corrupt.
    [[nodiscard]] constexpr SlotIndex slot() const noexcept {
        return SlotIndex{static_cast<std::uint32_t>(raw_ & 0xffffU) - 1U};
    }
    [[nodiscard]] constexpr bool names(std::uint64_t sequence) const noexcept {
        return raw_ >> 16U == (sequence & 0xffff'ffff'ffffU);
    }
    friend constexpr bool operator==(Current, Current) noexcept = default;

  private:
    std::uint64_t raw_ = 0;
};

enum class CellState : std::uint32_t {
    kFree = 0,     ///< pins nothing
    kPending = 1,  ///< wants the current message; the producer's next scan will pin it (help)
    kClaimed = 2,  ///< names a slot that may or may not have been current: proves nothing
    kHeld = 3,     ///< pins a whole message that the consumer reads
    kKept = 4,     ///< pins a whole message that the consumer has released, until its next acquire
};

/// Value of a cell: state above slot. FREE is 0, so that zeroed memory is a free cell.
class CellWord {
  public:
    constexpr CellWord() noexcept = default;
    constexpr explicit CellWord(std::uint32_t raw) noexcept : raw_(raw) {}
    constexpr explicit CellWord(CellState state, SlotIndex slot = SlotIndex{0}) noexcept
        : raw_(static_cast<std::uint32_t>(state) << 16U | to_number(slot)) {}

    [[nodiscard]] constexpr std::uint32_t raw() const noexcept { return raw_; }
    [[nodiscard]] constexpr CellState state() const noexcept {
        return static_cast<CellState>(raw_ >> 16U);
    }
    /// Meaningful when names_slot(); may be out of range when the word is corrupt.
    [[nodiscard]] constexpr SlotIndex slot() const noexcept { return SlotIndex{raw_ & 0xffffU}; }
    [[nodiscard]] constexpr bool names_slot() const noexcept {
        return state() == CellState::kClaimed || whole();
    }
    /// HELD or KEPT: proof that the slot holds a whole message.
    [[nodiscard]] constexpr bool whole() const noexcept {
        return state() == CellState::kHeld || state() == CellState::kKept;
    }
    friend constexpr bool operator==(CellWord, CellWord) noexcept = default;

  private:
    std::uint32_t raw_ = 0;
};

/// Value of SlotHeader::origin: the producer's incarnation in the upper half; below it a bit that
/// says whether SlotHeader::time means anything, and the message's size in bytes in 31 bits.
class Origin {
  public:
    constexpr Origin() noexcept = default;
    constexpr explicit Origin(std::uint64_t raw) noexcept : raw_(raw) {}
    constexpr Origin(std::uint32_t incarnation, std::uint32_t size, bool timed) noexcept
        : raw_(std::uint64_t{incarnation} << 32U | (timed ? kTimed : 0U) | size) {}

    [[nodiscard]] constexpr std::uint64_t raw() const noexcept { return raw_; }
    [[nodiscard]] constexpr std::uint32_t incarnation() const noexcept {
        return static_cast<std::uint32_t>(raw_ >> 32U);
    }
    [[nodiscard]] constexpr bool timed() const noexcept { return (raw_ & kTimed) != 0; }
    [[nodiscard]] constexpr std::uint32_t size() const noexcept {
        return static_cast<std::uint32_t>(raw_) & (kTimed - 1U);
    }

  private:
    static constexpr std::uint32_t kTimed = 1U << 31U;
    static_assert(kMaxCapacity < kTimed);
    std::uint64_t raw_ = 0;
};

/// Value of SlotHeader::time: nanoseconds (62 bits, 146 years) above the number of the clock that
/// told them (two bits, TimeSource).
class Time {
  public:
    constexpr Time() noexcept = default;
    constexpr explicit Time(std::uint64_t raw) noexcept : raw_(raw) {}
    constexpr Time(std::uint64_t nanoseconds, std::uint32_t source) noexcept
        : raw_(nanoseconds << 2U | (source & 3U)) {}

    [[nodiscard]] constexpr std::uint64_t raw() const noexcept { return raw_; }
    [[nodiscard]] constexpr std::uint64_t nanoseconds() const noexcept { return raw_ >> 2U; }
    [[nodiscard]] constexpr std::uint32_t source() const noexcept {
        return static_cast<std::uint32_t>(raw_ & 3U);
    }

  private:
    std::uint64_t raw_ = 0;
};

}  // namespace shmipc::protocol
