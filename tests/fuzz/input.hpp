// What a fuzz target takes its decisions from.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace shmipc::fuzz {

/// Bytes one after the other; zeros when they are used up.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) noexcept : rest_(data, size) {}

    [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
    template <class Number>
    Number number() noexcept {
        Number value{};
        const std::size_t count = std::min(sizeof value, rest_.size());
        if (count > 0) {
            std::memcpy(&value, rest_.data(), count);
        }
        rest_ = rest_.subspan(count);
        return value;
    }
    std::span<const std::uint8_t> bytes(std::size_t count) noexcept {
        const auto taken = rest_.first(std::min(count, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    /// Up to the next NUL, which is skipped, or to the end.
    std::string text() {
        const auto end = std::find(rest_.begin(), rest_.end(), std::uint8_t{0});
        std::string found(rest_.begin(), end);
        rest_ = rest_.subspan(std::min(found.size() + 1, rest_.size()));
        return found;
    }
    std::string rest() { return {rest_.begin(), rest_.end()}; }

  private:
    std::span<const std::uint8_t> rest_;
};

}  // namespace shmipc::fuzz
