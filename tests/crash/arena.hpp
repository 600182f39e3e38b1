// Arena: the group that a kill test fights in, looked at from outside by a process that is none of
// its workers.
#pragma once

#include "base/os.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/protocol/words.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace shmipc::crash {

/// An invariant that does not hold. The text says which.
class Failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Throws Failure unless `condition` holds.
inline void expect(bool condition, const std::string& text) {
    if (!condition) {
        throw Failure(text);
    }
}

/// A group whose name no other process uses, removed at the end of the scope whatever happens; its
/// workers must be gone by then. With the fewest slots that can do, unless told otherwise.
class Arena {
  public:
    Arena(std::uint32_t workers, std::uint64_t capacity);
    Arena(std::uint32_t workers, std::uint64_t capacity, std::uint32_t slots);
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena();

    [[nodiscard]] const GroupConfig& config() const noexcept { return config_; }
    [[nodiscard]] std::uint32_t workers() const noexcept { return config_.workers; }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return config_.capacity; }
    /// More messages than a channel has slots: enough to rewrite every slot that is free.
    [[nodiscard]] std::uint32_t lap() const noexcept { return 2 * (config_.workers + 1) + 1; }
    [[nodiscard]] const Group& group() const noexcept { return group_; }

    /// The channel's latest message is exactly this one, whole; 0: nothing was published. For a
    /// channel whose producer is dead, stopped or idle.
    void expect_latest(WorkerIndex channel, std::uint64_t sequence);
    /// The same for a producer that died somewhere between two messages. Returns which it was.
    std::uint64_t expect_latest(WorkerIndex channel, std::uint64_t lowest, std::uint64_t highest);
    /// What a consumer's cell in a channel says.
    [[nodiscard]] protocol::CellWord cell(WorkerIndex channel, WorkerIndex consumer) const;
    /// Sequence that stands in a slot.
    [[nodiscard]] std::uint64_t sequence_in(WorkerIndex channel, SlotIndex slot) const;
    /// Cells of this worker, or of all, that are not FREE.
    [[nodiscard]] std::uint32_t pins_of(WorkerIndex consumer) const;
    [[nodiscard]] std::uint32_t pins() const;
    /// Removes the group, and throws Failure unless it went whole.
    void remove();
    /// Files in shared memory that bear the group's name.
    [[nodiscard]] std::vector<std::string> objects() const;

  private:
    [[nodiscard]] std::uint64_t read(WorkerIndex channel, std::uint64_t offset,
                                     std::size_t bytes) const;

    GroupConfig config_;
    Group group_;
    Observer observer_;
    Observer::Message message_;  ///< buffer
    std::vector<os::Fd> files_;  ///< by worker index
    bool removed_ = false;
};

std::string to_string(protocol::CellWord cell);

}  // namespace shmipc::crash
