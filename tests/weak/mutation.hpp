// What can be weakened: each operation of the protocol with its memory order, as a run of it
// recorded them, and each order that is weaker.
#pragma once

#include <shmipc/protocol/memory.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::test::weak {

enum class Operation : std::uint8_t {
    kLoad,
    kStore,
    kExchange,
    kCompareExchange,  ///< that succeeds
    kCompareFailure,   ///< one that fails
    kFetchOr,
    kFetchAdd,
    kFence,
    kBarrier,  ///< membarrier(2)
};

/// An operation with the order that the protocol gives it.
struct Use {
    protocol::Step step;
    Operation operation;
    std::memory_order order;
    friend bool operator==(const Use&, const Use&) = default;
};

/// The same operation with a weaker order. A fence that is relaxed is none.
struct Mutation {
    Use use;
    std::memory_order weaker;
};

/// All of an operation's weaker orders, the weakest first.
std::vector<std::memory_order> weaker_orders(const Use& use);
/// Whether all that `weak` permits is also permitted by `weaker`.
bool no_stronger(std::memory_order weaker, std::memory_order weak) noexcept;

/// "kAnnounce exchange seq_cst".
std::string to_string(const Use& use);
/// "kAnnounce exchange seq_cst -> relaxed".
std::string to_string(const Mutation& mutation);

/// All steps with operations that have an order. The others are marks: writing and copying the
/// payload, and the system calls but for membarrier.
const std::vector<protocol::Step>& ordered_steps();

/// Which operations have run.
class Record {
  public:
    void add(const Use& use) noexcept { bits_[index(use)] |= bit(use); }
    void add(const Record& other) noexcept;
    [[nodiscard]] bool has(const Use& use) const noexcept {
        return (bits_[index(use)] & bit(use)) != 0;
    }
    [[nodiscard]] bool has(protocol::Step step) const noexcept {
        return bits_[static_cast<std::size_t>(step)] != 0;
    }
    /// By step.
    [[nodiscard]] std::vector<Use> uses() const;

  private:
    static constexpr std::size_t kSteps = 1000;
    static std::size_t index(const Use& use) noexcept { return static_cast<std::size_t>(use.step); }
    static std::uint64_t bit(const Use& use) noexcept {
        return std::uint64_t{1} << (static_cast<unsigned>(use.operation) * 6U +
                                    static_cast<unsigned>(use.order));
    }
    std::array<std::uint64_t, kSteps> bits_{};
};

}  // namespace shmipc::test::weak
