// Toll: the deaths that were placed under ptrace, by operation, and the harm that they did.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace shmipc::crash {

/// Somebody has asked the test to end. Not an std::exception: no invariant is broken.
struct Interrupted {};

class Toll {
  public:
    /// What a death is placed at.
    enum class Unit : std::uint8_t { kInstruction, kCall };

    /// An operation, of which every place is a death. `least`: of places; with fewer the operation
    /// was not what it is meant to be, and the test has failed.
    void begin(const std::string& operation, Unit unit, std::uint32_t least);
    /// The operation begun last has so many places, in one variant of it.
    void places(std::uint32_t count);
    void died();
    void failed(const std::string& where, const std::string& text);
    void end();

    /// Harm, in all or in the operation begun last.
    [[nodiscard]] std::uint64_t harm() const noexcept { return harm_; }
    [[nodiscard]] std::uint64_t deaths() const noexcept { return deaths_; }
    /// So much harm that there is no point in going on.
    [[nodiscard]] bool hopeless() const noexcept;
    void print_sum() const;

  private:
    struct Row {
        std::string operation{};
        Unit unit = Unit::kInstruction;
        std::uint32_t least = 0;
        std::uint32_t variants = 0;
        std::uint32_t fewest = 0;
        std::uint32_t most = 0;
        std::uint64_t deaths = 0;
        std::uint64_t harm = 0;
        std::chrono::steady_clock::time_point begun{};
    };
    Row row_;
    std::uint64_t deaths_ = 0;
    std::uint64_t harm_ = 0;
    std::chrono::nanoseconds time_{0};
};

/// Whether somebody has asked for the test's end by SIGINT or SIGTERM; throws Interrupted then.
void heed_signals();
/// From here on heed_signals() knows of them.
void catch_signals();

}  // namespace shmipc::crash
