// Membership: what a Worker and its handles share: identity, mappings, the ends of all channels.
#pragma once

#include "base/os.hpp"
#include "interrupts.hpp"
#include "lock_file.hpp"
#include "segment.hpp"
#include <shmipc/detail/cores.hpp>
#include <shmipc/worker.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace shmipc::detail {

/// At an address that stays; held by shared_ptr from the Worker and its handles. Registered with
/// the fork handlers for as long as it lives.
class Membership {
  public:
    using Deadline = std::chrono::steady_clock::time_point;

    Membership(const GroupConfig& config, WorkerIndex index, AttachOptions options);
    ~Membership();
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

    ProducerCore* take_producer(PayloadType type);
    ConsumerCore* take_consumer(WorkerIndex from, PayloadType type);

    Errc wait_for_all(Deadline deadline);
    Errc wait_newer(std::span<const WorkerIndex> channels, Deadline deadline);
    Errc wait_newer(ConsumerCore& core, Deadline deadline);
    Errc wait_any_newer(Deadline deadline);
    void interrupt() noexcept;
    void beat() noexcept;
    void ready() noexcept;
    Errc verify() noexcept;

    /// In the child of a fork: disables all handles and closes what keeps the identity.
    void disown_in_child() noexcept;

    [[nodiscard]] WorkerIndex index() const noexcept { return index_; }
    [[nodiscard]] const GroupConfig& config() const noexcept { return config_; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept { return producer_->incarnation; }
    [[nodiscard]] bool name_lost() const noexcept {
        return name_lost_.load(std::memory_order_relaxed);  // a flag on its own
    }
    [[nodiscard]] const std::vector<Worker::ReclaimedPin>& reclaimed_pins() const noexcept {
        return reclaimed_;
    }

  private:
    void take_part();
    void take_identity();
    bool lock_identity();
    void map_all();
    void recover_producer();
    void recover_consumers();
    void check_usable() const noexcept;
    /// Sleeps until `found` says that it is so, after asking `channels` to ring.
    template <class Found>
    Errc wait_until(std::span<ConsumerCore* const> channels, Deadline deadline, Found&& found);
    Errc wait_newer(std::span<ConsumerCore* const> cores, Deadline deadline);
    [[nodiscard]] layout::Vitals& vitals() const noexcept;
    [[nodiscard]] ConsumerCore& consumer(WorkerIndex index) noexcept;
    [[nodiscard]] bool all_have_been_there() noexcept;

    GroupConfig config_;
    WorkerIndex index_;
    AttachOptions options_;
    Generation generation_;
    bool group_is_new_ = false;        ///< made by this attach
    std::optional<LockFile> locks_;    ///< whose byte of this worker is locked
    std::optional<Segment> identity_;  ///< one's own object, locked as well
    std::uint64_t locks_inode_ = 0;
    std::uint64_t identity_inode_ = 0;
    std::vector<Mapping> mappings_;              ///< by worker index
    std::vector<layout::SharedU32*> doorbells_;  ///< by worker index
    Doorbells all_doorbells_;
    std::atomic<bool> forked_{false};  ///< in a child: the mappings are gone
    std::unique_ptr<ProducerCore> producer_;
    std::deque<ConsumerCore> consumers_;   ///< by cell order: all but oneself
    std::atomic<bool> cores_made_{false};  ///< producer_ and consumers_ are complete
    std::vector<Worker::ReclaimedPin> reclaimed_;
    std::atomic<std::size_t> seen_{0};  ///< of consumers_: have been there, as far as was asked
    Interrupts interrupts_;
    std::atomic<bool> name_lost_{false};
    std::atomic<std::int64_t> next_verify_ns_{0};  ///< steady clock
    os::Fd ready_pipe_;  ///< empty: not started by a supervisor, or told already
};

}  // namespace shmipc::detail
