// Not for users: what inlined code of the public headers needs.
//
// What a producer remembers of its slots: which are free, and which were current last. Its own
// memory, lost at its death and rebuilt by its successor's scans; not shared.
#pragma once

#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/words.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace shmipc::protocol {

/// A set of slots as a bitmap.
class SlotSet {
  public:
    /// All of 0 … slots − 1.
    void fill(std::uint32_t slots) noexcept {
        words_ = (slots + 63U) / 64U;
        first_ = 0;
        for (std::uint32_t word = 0; word < words_; ++word) {
            bits_[word] = ~std::uint64_t{0};
        }
        if (slots % 64U != 0) {
            bits_[words_ - 1] = (std::uint64_t{1} << slots % 64U) - 1U;
        }
    }
    void insert(SlotIndex slot) noexcept {
        const std::uint32_t word = to_number(slot) / 64U;
        bits_[word] |= std::uint64_t{1} << to_number(slot) % 64U;
        first_ = word < first_ ? word : first_;
    }
    void erase(SlotIndex slot) noexcept {
        bits_[to_number(slot) / 64U] &= ~(std::uint64_t{1} << to_number(slot) % 64U);
    }
    void clear() noexcept {
        words_ = 0;
        first_ = 0;
        bits_[0] = 0;
    }
    [[nodiscard]] bool has(SlotIndex slot) const noexcept {
        return to_number(slot) / 64U < words_ &&
               (bits_[to_number(slot) / 64U] >> to_number(slot) % 64U & 1U) != 0;
    }
    /// Removes the lowest slot into `slot`; false if the set is empty.
    [[gnu::always_inline]] bool pop(SlotIndex& slot) noexcept {
        std::uint64_t word = bits_[first_];
        if (word == 0) [[unlikely]] {
            word = next_word();
            if (word == 0) {
                return false;
            }
        }
        slot = SlotIndex{first_ * 64U + static_cast<std::uint32_t>(std::countr_zero(word))};
        bits_[first_] = word & (word - 1U);
        return true;
    }

  private:
    /// The first word with a bit, which becomes first_; 0 if there is none.
    std::uint64_t next_word() noexcept {
        for (std::uint32_t word = first_; word < words_; ++word) {
            if (bits_[word] != 0) {
                first_ = word;
                return bits_[word];
            }
        }
        return 0;
    }

    static constexpr std::size_t kWords =
        (layout::Geometry::maximum_slots(kMaxWorkers) + 63U) / 64U;
    std::uint32_t words_ = 0;
    std::uint32_t first_ = 0;  ///< no word before this one has a bit
    std::array<std::uint64_t, kWords> bits_{};
};

/// The slots that were current last, the youngest first.
class RetiredSlots {
  public:
    /// Notes the current slot, and finds the youngest of the others that is in `free`.
    bool pop_free(Current current, const SlotSet& free, SlotIndex& slot) noexcept {
        if (!current.empty() && current.slot() != slots_.front()) {
            std::copy_backward(slots_.begin(), slots_.end() - 1, slots_.end());
            slots_.front() = current.slot();
        }
        const auto youngest = std::find_if(slots_.begin() + 1, slots_.end(),
                                           [&](SlotIndex old) { return free.has(old); });
        if (youngest == slots_.end()) {
            return false;
        }
        slot = *youngest;
        return true;
    }

  private:
    static constexpr SlotIndex kNone{~std::uint32_t{0}};
    std::array<SlotIndex, 8> slots_{kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone};
};

}  // namespace shmipc::protocol
