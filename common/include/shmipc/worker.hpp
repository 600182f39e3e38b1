// Worker: membership in a group. The first header that a program written with the library includes.
//
//     shmipc::Worker worker = shmipc::Worker::attach_from_environment();
//     shmipc::Producer<Pose> producer = worker.producer<Pose>();
//     shmipc::Consumer<Pose> other = worker.consumer<Pose>(shmipc::WorkerIndex{1});
//     worker.wait_for_all();
//     worker.ready();
//     producer.publish(Pose{…});
//     if (auto pose = other.acquire()) { use(*pose); }
#pragma once

#include <shmipc/consumer.hpp>
#include <shmipc/error.hpp>
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/message.hpp>
#include <shmipc/producer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace shmipc {

/// A message that a dead predecessor had in use. Valid, with its bytes, only during the call.
struct StalePin {
    WorkerIndex channel{0};
    bool held = false;  ///< in use at the death; false: released, and only kept
    MessageInfo info;
    std::span<const std::byte> bytes;
};

struct AttachOptions {
    /// How long to wait for a predecessor's identity lock, which the kernel drops some time after
    /// its death (longer the more memory it had mapped). Up to a day; negative is none.
    std::chrono::milliseconds identity_timeout{2000};
    /// How often waiting beats the heart: 1 ms to 1 h, or the nearer of them. The supervisor's
    /// heartbeat limit must be longer.
    std::chrono::milliseconds heartbeat_interval{250};
    TimeSource time_source = TimeSource::kCoarse;
    /// Called for each message that the predecessor left pinned, before the pin is reclaimed: the
    /// place to read once more what one was reading when one died. May throw: attach() does then.
    std::function<void(const StalePin&)> on_stale_pin;
};

/// Membership of this process in a group, as worker `index`: its identity, its channel, and its
/// cells in the others'. Move-only. One process may have several, of different indices or groups.
///
/// Threads: attach, producer(), consumer(), stop() and destruction by one thread at a time; the
/// waits, beat() and ready() by any, but a wait is a use of the consumers whose channels it waits
/// for; interrupt() by any, and from a signal handler. Fork: a child inherits nothing: the identity
/// stays with the parent, and every use in the child aborts with a message, but destruction, which
/// does nothing.
class Worker {
  public:
    /// Opens or creates the group and becomes its worker `index`: waits for a dead predecessor's
    /// lock, recovers as producer, reclaims the pins that it left. Throws Error: kIdentityBusy with
    /// the last known pid if that worker is running; whatever Group::create_or_open() throws;
    /// kInvalidIndex; kCorruptChannel.
    static Worker attach(const GroupConfig& config, WorkerIndex index,
                         const AttachOptions& options = {});
    static std::optional<Worker> attach(const GroupConfig& config, WorkerIndex index,
                                        const AttachOptions& options, std::error_code& error);

    /// The same, with the group, the number of workers and the index from SHMIPC_GROUP,
    /// SHMIPC_WORKERS and SHMIPC_INDEX, as the supervisor sets them; capacity and slots from
    /// SHMIPC_CAPACITY and SHMIPC_SLOTS. Throws kInvalidGroupName, kInvalidGeometry or
    /// kInvalidIndex, naming the variable that is missing or wrong.
    static Worker attach_from_environment(const AttachOptions& options = {});

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    Worker(Worker&&) noexcept = default;
    Worker& operator=(Worker&&) noexcept = default;
    /// Marks the worker stopped and frees its pins, when the last of its producers and consumers is
    /// gone too. The last message stays for the others to read.
    ~Worker() = default;

    [[nodiscard]] WorkerIndex index() const noexcept;
    [[nodiscard]] const std::string& group() const noexcept;
    [[nodiscard]] std::uint32_t workers() const noexcept;
    [[nodiscard]] std::uint64_t capacity() const noexcept;
    /// 1 in the first life of this worker, one more in each later one.
    [[nodiscard]] std::uint32_t incarnation() const noexcept;
    /// Pins that attach() found left by a predecessor, in the order of the channels.
    struct ReclaimedPin {
        WorkerIndex channel{0};
        bool held = false;
        std::uint64_t sequence = 0;  ///< 0: the pin named no whole message
    };
    [[nodiscard]] const std::vector<ReclaimedPin>& reclaimed_pins() const noexcept;

    /// The writing end of this worker's channel. Throws kHandleTaken while another Producer of this
    /// membership exists; kPayloadMismatch if the channel was stamped with another type;
    /// kInvalidGeometry if T is longer than the capacity.
    template <Payload T = Bytes>
    [[nodiscard]] Producer<T> producer() {
        return {membership_, take_producer(payload_type<T>())};
    }
    /// The reading end of the channel of worker `from`. Throws kInvalidIndex for oneself or beyond
    /// the group, kHandleTaken, kPayloadMismatch. Where the producer has never attached yet, the
    /// type is compared at the first acquire. Consumer<Bytes> reads a channel of any type.
    template <Payload T = Bytes>
    [[nodiscard]] Consumer<T> consumer(WorkerIndex from) {
        return {membership_, take_consumer(from, payload_type<T>())};
    }

    using Deadline = std::chrono::steady_clock::time_point;
    static constexpr Deadline kForever = Deadline::max();

    /// Sleeps until every worker of the group has attached at least once in this group's life.
    /// kOk, kTimeout or kInterrupted.
    Errc wait_for_all(Deadline deadline = kForever);
    /// Sleeps until one of `channels` has something newer than was acquired last from it. The same
    /// outcomes. An empty span: until the deadline, which is how to sleep without seeming hung.
    Errc wait_newer(std::span<const WorkerIndex> channels, Deadline deadline = kForever);
    /// The same for all other workers' channels.
    Errc wait_any_newer(Deadline deadline = kForever);
    /// Makes the wait that runs, or else the next one, return kInterrupted: in each thread that
    /// waits, once. A thread that has not waited before this call counts from its first wait on, if
    /// others wait. Async-signal-safe.
    void interrupt() noexcept;

    /// Tells the supervisor that this worker makes progress: for loops that neither wait nor
    /// publish for longer than the heartbeat limit. Wait-free; one store.
    void beat() noexcept;
    /// Tells the group, and the supervisor that started this worker, that it is ready to work.
    void ready() noexcept;
    /// Whether the identity is still what it was at attach: kOk; kNameLost if the object was
    /// removed or replaced, so that newcomers meet elsewhere. Aborts if the lock's descriptor was
    /// closed under the library. The waits check it about once a second, and report kNameLost
    /// through name_lost().
    Errc verify() noexcept;
    [[nodiscard]] bool name_lost() const noexcept;

  private:
    explicit Worker(std::shared_ptr<detail::Membership> membership) noexcept
        : membership_(std::move(membership)) {}
    detail::ProducerCore* take_producer(PayloadType type);
    detail::ConsumerCore* take_consumer(WorkerIndex from, PayloadType type);

    std::shared_ptr<detail::Membership> membership_;
};

}  // namespace shmipc
