#include "membership.hpp"

#include "birth.hpp"
#include "fork_guard.hpp"
#include "identity.hpp"
#include "ready_pipe.hpp"
#include "remedy.hpp"
#include "sleep.hpp"
#include <shmipc/detail/check.hpp>
#include <shmipc/protocol/sleep.hpp>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace shmipc::detail {

namespace {

/// A sleeper on a kernel without membarrier may miss a wake-up; it looks again this often.
constexpr std::chrono::milliseconds kUnorderedSleep{10};
/// How often the waits look whether the object still has its name.
constexpr std::chrono::seconds kVerifyInterval{1};
/// Bound for a group that is removed and created again and again while we attach.
constexpr int kAttachTries = 100;

/// Options may say anything; beyond these they would overflow, or make each wait spin. A heart that
/// beats less often than this is no use to any limit.
constexpr std::chrono::milliseconds kLongestIdentityTimeout{std::chrono::hours{24}};
constexpr std::chrono::milliseconds kShortestHeartbeat{1};
constexpr std::chrono::milliseconds kLongestHeartbeat{std::chrono::hours{1}};

AttachOptions within_bounds(AttachOptions options) {
    options.identity_timeout =
        std::clamp(options.identity_timeout, std::chrono::milliseconds{0}, kLongestIdentityTimeout);
    options.heartbeat_interval =
        std::clamp(options.heartbeat_interval, kShortestHeartbeat, kLongestHeartbeat);
    return options;
}

std::chrono::nanoseconds since_boot() noexcept {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

std::string describe(const PayloadType& type) {
    return "'" + std::string(type.name) + "' of " +
           (type.size == 0 ? std::string("any length") : std::to_string(type.size) + " bytes");
}

/// The stamp's name; bounded also where it is not terminated.
std::string_view stamped_name(const layout::PayloadStamp& stamp) noexcept {
    return {stamp.name, strnlen(stamp.name, sizeof stamp.name)};
}

bool carries(const layout::PayloadStamp& stamp, const PayloadType& type) noexcept {
    return stamp.size == type.size && stamped_name(stamp) == type.name;
}

std::uint64_t inode_of(int fd, const std::string& name) {
    struct stat status {};
    os::require("cannot look at '" + name + "'", [&] { return fstat(fd, &status); });
    return status.st_ino;
}

bool has_inode(int fd, std::uint64_t inode) noexcept {
    struct stat status {};
    return fstat(fd, &status) == 0 && status.st_ino == inode;
}

}  // namespace

Membership::Membership(const GroupConfig& config, WorkerIndex index, AttachOptions options)
    : config_(config), index_(index), options_(within_bounds(std::move(options))) {
    config_.check();
    config_.slots = config_.geometry().slots;
    if (to_number(index) >= config_.workers) {
        throw Error(Errc::kInvalidIndex, "invalid worker index " +
                                             std::to_string(to_number(index)) + ": expected 0 to " +
                                             std::to_string(config_.workers - 1));
    }
    // First: a child that another thread, or on_stale_pin, forks meanwhile must not keep the lock.
    register_for_fork(*this);
    try {
        take_part();
        // From here on a death is a death of this incarnation: all that it writes is in its own
        // part or in its own cells.
        recover_producer();
        recover_consumers();
        // Last: who cannot attach, or is another's worker, has no business with it.
        ready_pipe_ = take_ready_pipe(config_.name, index_);
    } catch (...) {
        unregister_for_fork(*this);
        throw;
    }
    // Release: whoever sees the state sees the recovery.
    vitals().state.store(static_cast<std::uint32_t>(layout::WorkerState::kAttached),
                         std::memory_order_release);
    // Full: of two that attach at once as the last of a group, one sees the other's state below.
    protocol::NativeMemory().fence(protocol::Step::kWakeFence, std::memory_order_seq_cst);
    // After a predecessor always: it may have died between taking its sleepers' bits and ringing
    // them, or before it rang for what follows. Else for those who wait for all to have been there,
    // and not N times for each of N.
    if (producer_->incarnation > 1 || all_have_been_there()) {
        for (layout::SharedU32* const doorbell : doorbells_) {
            ring(*doorbell);
        }
    }
}

Membership::~Membership() {
    unregister_for_fork(*this);
    // Relaxed: set before this process's first instruction, if ever.
    if (forked_.load(std::memory_order_relaxed)) {
        return;
    }
    for (ConsumerCore& core : consumers_) {
        core.end.reclaim();
    }
    vitals().state.store(static_cast<std::uint32_t>(layout::WorkerState::kStopped),
                         std::memory_order_release);
    // Unmapped before the lock goes, which it does with locks_ and identity_, declared earlier.
}

bool Membership::lock_identity() {
    const auto begin = std::chrono::steady_clock::now();
    if (!locks_->lock(LockFile::identity(index_), options_.identity_timeout)) {
        return false;
    }
    // An older program's worker holds no byte of the lock file, but its object. This one holds both
    // for such a program to see; only the byte is out of the reach of whoever may read the object.
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    return lock_among_writers(identity_->fd(), options_.identity_timeout - waited,
                              identity_->name());
}

void Membership::take_part() {
    try {
        take_identity();
        map_all();
    } catch (...) {
        if (group_is_new_) {
            consumers_.clear();
            producer_.reset();
            doorbells_.clear();
            mappings_.clear();
            identity_.reset();
            locks_.reset();
            undo_birth(config_.name, generation_);
        }
        throw;
    }
}

void Membership::take_identity() {
    for (int i = 0; i < kAttachTries; ++i) {
        identity_.reset();
        locks_.reset();
        const Birth birth = ensure_group(config_);
        generation_ = birth.generation;
        group_is_new_ = birth.created;
        try {
            identity_ = Segment::open(config_.name, index_, Access::kTakePart);
        } catch (const Error& error) {
            if (error.errc() != Errc::kNoGroup) {
                throw;
            }
            continue;  // the group was removed just now
        }
        locks_ = LockFile::open_or_make(config_.name, identity_->owner());
        const Segment& own = *identity_;
        if (!lock_identity()) {
            throw Error(Errc::kIdentityBusy,
                        "worker " + std::to_string(to_number(index_)) + " of group '" +
                            config_.name + "' is already running" + describe_last_pid(own.fd()) +
                            ": stop it first, or choose another index or group");
        }
        // The locks are on the open files; the names may lead elsewhere by now.
        if (own.has_its_name() && locks_->has_its_name() && own.generation() == generation_) {
            own.require_geometry(config_.geometry());
            identity_inode_ = inode_of(own.fd(), own.name());
            locks_inode_ = inode_of(locks_->fd(), locks_->name());
            return;
        }
    }
    throw Error(Errc::kGroupBusy, "group '" + config_.name +
                                      "' is removed and created again all the time: see which "
                                      "program does so");
}

void Membership::map_all() {
    // Nobody can remove the group from here on: that takes our lock.
    mappings_.reserve(config_.workers);
    doorbells_.reserve(config_.workers);
    for (std::uint32_t i = 0; i < config_.workers; ++i) {
        const WorkerIndex other{i};
        if (other == index_) {
            mappings_.emplace_back(*identity_, Role::kProducer);
        } else {
            mappings_.emplace_back(Segment::open(config_.name, other, Access::kTakePart,
                                                 config_.geometry(), generation_),
                                   Role::kConsumer);
        }
        doorbells_.push_back(&mappings_.back().channel().shared_part->doorbell);
    }
    all_doorbells_ = {.by_worker = doorbells_.data(), .workers = config_.workers};
    producer_ =
        std::make_unique<ProducerCore>(mappings_[to_number(index_)].channel(), all_doorbells_);
    for (std::uint32_t i = 0; i < config_.workers; ++i) {
        if (WorkerIndex{i} != index_) {
            consumers_.emplace_back(mappings_[i].channel(), WorkerIndex{i}, index_);
        }
    }
    // Release: for the handler of a fork by another thread.
    cores_made_.store(true, std::memory_order_release);
}

void Membership::recover_producer() {
    layout::Vitals& own = vitals();
    // Relaxed: descriptions for others, ordered by nothing; the incarnation is written by the
    // holder of the identity lock alone, and the lock orders it between incarnations.
    own.state.store(static_cast<std::uint32_t>(layout::WorkerState::kAttaching),
                    std::memory_order_relaxed);
    own.pid.store(static_cast<std::uint32_t>(getpid()), std::memory_order_relaxed);
    own.started_ns.store(static_cast<std::uint64_t>(since_boot().count()),
                         std::memory_order_relaxed);
    const std::uint32_t incarnation = own.incarnation.load(std::memory_order_relaxed) + 1;
    // Release: who sees the new incarnation does not see the old one's "ready".
    own.incarnation.store(incarnation, std::memory_order_release);
    const bool registered = register_for_barrier();
    // Release: sleepers that see it rely on the registration.
    own.membarrier.store(registered ? 1 : 0, std::memory_order_release);

    producer_->incarnation = incarnation;
    producer_->time_source = options_.time_source;
    producer_->wake_fence = !registered;
    if (producer_->end.recover() != Errc::kOk) {
        throw Error(Errc::kCorruptChannel,
                    "object '" + identity_->name() +
                        "' holds values that the protocol cannot produce: another program has "
                        "written into it; stop the group and remove it (" +
                        clean_command(config_.name) + ")");
    }
}

void Membership::recover_consumers() {
    for (ConsumerCore& core : consumers_) {
        const protocol::CellWord left = core.end.inspect();
        if (left.state() == protocol::CellState::kFree) {
            continue;
        }
        StalePin pin{.channel = core.index,
                     .held = left.state() == protocol::CellState::kHeld,
                     .info = {},
                     .bytes = {}};
        if (left.whole()) {
            pin.info = read_info(core.channel.header(left.slot()));
            pin.bytes = {core.channel.payload(left.slot()),
                         std::min<std::uint64_t>(pin.info.size, config_.capacity)};
            if (options_.on_stale_pin) {
                options_.on_stale_pin(pin);
                check_usable();  // it may have forked, and returned here in the child
            }
        }
        core.end.reclaim();
        reclaimed_.push_back(
            {.channel = core.index, .held = pin.held, .sequence = pin.info.sequence});
    }
}

ProducerCore* Membership::take_producer(PayloadType type) {
    check_usable();
    if (producer_->taken) {
        throw Error(Errc::kHandleTaken, "worker " + std::to_string(to_number(index_)) +
                                            " has a producer already: there is one a channel");
    }
    if (type.size > config_.capacity) {
        throw Error(Errc::kInvalidGeometry, "payload " + describe(type) +
                                                " does not fit into messages of " +
                                                std::to_string(config_.capacity) +
                                                " bytes: make the group with a larger capacity");
    }
    layout::PayloadStamp& stamp = producer_->end.channel().producer_part->payload;
    // Relaxed: this worker alone writes it, and the identity lock orders its incarnations.
    if (stamp.stamped.load(std::memory_order_relaxed) == 0) {
        stamp.size = type.size;
        std::memset(stamp.name, 0, sizeof stamp.name);
        std::memcpy(stamp.name, type.name.data(), type.name.size());
        // Release, with the acquire in check_type().
        stamp.stamped.store(1, std::memory_order_release);
    } else if (!carries(stamp, type)) {
        throw Error(Errc::kPayloadMismatch,
                    "channel " + std::to_string(to_number(index_)) + " of group '" + config_.name +
                        "' carries " + describe({stamped_name(stamp), stamp.size}) + ", expected " +
                        describe(type) + ": use that type, or remove the group (" +
                        clean_command(config_.name) + ")");
    }
    producer_->taken = true;
    return producer_.get();
}

ConsumerCore* Membership::take_consumer(WorkerIndex from, PayloadType type) {
    check_usable();
    if (to_number(from) >= config_.workers || from == index_) {
        throw Error(Errc::kInvalidIndex, "invalid channel " + std::to_string(to_number(from)) +
                                             " for worker " + std::to_string(to_number(index_)) +
                                             ": expected another worker's, 0 to " +
                                             std::to_string(config_.workers - 1));
    }
    ConsumerCore& core = consumer(from);
    if (core.taken) {
        throw Error(Errc::kHandleTaken, "worker " + std::to_string(to_number(index_)) +
                                            " has a consumer of channel " +
                                            std::to_string(to_number(from)) + " already");
    }
    core.expected = type;
    if (core.check_type() == Errc::kPayloadMismatch) {
        const layout::PayloadStamp& stamp = core.channel.producer_part->payload;
        throw Error(Errc::kPayloadMismatch, "channel " + std::to_string(to_number(from)) +
                                                " of group '" + config_.name + "' carries " +
                                                describe({stamped_name(stamp), stamp.size}) +
                                                ", expected " + describe(type) + ": use that type");
    }
    // Looked at again by the first acquire, also where the stamp is right: a message that an
    // earlier handle has kept may be of another size.
    core.gate = ConsumerCore::Gate::kTypeUnchecked;
    core.taken = true;
    return &core;
}

Errc ConsumerCore::check_type() noexcept {
    const layout::PayloadStamp& stamp = channel.producer_part->payload;
    if (expected.size == 0) {
        gate = Gate::kOpen;  // raw bytes: of any type
        return Errc::kOk;
    }
    // Acquire, with the release that stamped it.
    if (stamp.stamped.load(std::memory_order_acquire) == 0) {
        return Errc::kEmpty;
    }
    if (!carries(stamp, expected)) {
        return Errc::kPayloadMismatch;
    }
    gate = Gate::kOpen;
    return Errc::kOk;
}

template <class Found>
Errc Membership::wait_until(std::span<ConsumerCore* const> channels, Deadline deadline,
                            Found&& found) {
    layout::SharedU32& doorbell = *doorbells_[to_number(index_)];
    protocol::DefaultMemory memory;
    Interrupts::Heard& heard_interrupts = interrupts_.begin_wait();
    for (;;) {
        check_usable();
        beat();
        // Before asking to be rung: who is not going to sleep, or has just been woken, would leave
        // its bit behind, and cost the producer a needless wake, and itself a barrier.
        if (found()) {
            return Errc::kOk;
        }
        // The order of these steps is the algorithm: protocol/sleep.hpp.
        const std::uint32_t heard = protocol::listen(memory, doorbell);
        bool ordered = true;
        if (!channels.empty()) {
            for (ConsumerCore* const core : channels) {
                protocol::enter(memory, *core->channel.shared_part, index_);
            }
            memory.mark(protocol::Step::kSleepBarrier);
            ordered = barrier();
        }
        if (found()) {
            return Errc::kOk;
        }
        if (interrupts_.take(heard_interrupts)) {
            return Errc::kInterrupted;
        }
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline) {
            return Errc::kTimeout;
        }
        // Relaxed: two threads that both look do no harm.
        if (now.time_since_epoch().count() >= next_verify_ns_.load(std::memory_order_relaxed)) {
            next_verify_ns_.store((now + kVerifyInterval).time_since_epoch().count(),
                                  std::memory_order_relaxed);
            verify();
        }
        std::chrono::nanoseconds sleep = options_.heartbeat_interval;
        sleep = std::min<std::chrono::nanoseconds>(sleep, deadline - now);
        sleep = ordered ? sleep : std::min<std::chrono::nanoseconds>(sleep, kUnorderedSleep);
        memory.mark(protocol::Step::kSleepCall);
        futex_wait(doorbell, heard, sleep);
    }
}

Errc Membership::wait_newer(std::span<const WorkerIndex> channels, Deadline deadline) {
    check_usable();
    std::vector<ConsumerCore*> cores;
    cores.reserve(channels.size());
    for (const WorkerIndex channel : channels) {
        if (to_number(channel) >= config_.workers || channel == index_) {
            return Errc::kInvalidIndex;
        }
        cores.push_back(&consumer(channel));
    }
    return wait_newer(std::span<ConsumerCore* const>(cores), deadline);
}

Errc Membership::wait_any_newer(Deadline deadline) {
    check_usable();
    std::vector<ConsumerCore*> cores;
    cores.reserve(consumers_.size());
    for (ConsumerCore& core : consumers_) {
        cores.push_back(&core);
    }
    return wait_newer(std::span<ConsumerCore* const>(cores), deadline);
}

Errc Membership::wait_newer(ConsumerCore& core, Deadline deadline) {
    ConsumerCore* const one = &core;
    return wait_newer(std::span<ConsumerCore* const>(&one, 1), deadline);
}

Errc Membership::wait_newer(std::span<ConsumerCore* const> cores, Deadline deadline) {
    return wait_until(cores, deadline, [cores] {
        return std::any_of(cores.begin(), cores.end(),
                           [](ConsumerCore* core) { return core->end.has_newer(); });
    });
}

Errc wait_newer(Membership& membership, ConsumerCore& core, Membership::Deadline deadline) {
    return membership.wait_newer(core, deadline);
}

bool Membership::all_have_been_there() noexcept {
    const auto been_there = [](const ConsumerCore& core) {
        const layout::Vitals& other = core.channel.producer_part->vitals;
        // Acquire: with the release of the state at the end of attach. One that is in its second
        // life, or a later one, has been there, also while it attaches.
        return other.state.load(std::memory_order_acquire) >=
                   static_cast<std::uint32_t>(layout::WorkerState::kAttached) ||
               other.incarnation.load(std::memory_order_relaxed) > 1;
    };
    // Who has been there once has been there for good: none is asked again. Relaxed: two threads
    // that wait at once may both ask.
    std::size_t seen = seen_.load(std::memory_order_relaxed);
    while (seen < consumers_.size() && been_there(consumers_[seen])) {
        ++seen;
    }
    seen_.store(seen, std::memory_order_relaxed);
    return seen == consumers_.size();
}

Errc Membership::wait_for_all(Deadline deadline) {
    // Nobody's bit is needed: whoever is the last to attach rings all doorbells, after it has set
    // its state; so does every successor.
    return wait_until({}, deadline, [this] { return all_have_been_there(); });
}

void Membership::interrupt() noexcept {
    // Before the ring, so that the waiters see it.
    interrupts_.raise();
    if (!forked_.load(std::memory_order_relaxed)) {
        ring(*doorbells_[to_number(index_)]);
    }
}

void Membership::beat() noexcept {
    check_usable();
    layout::SharedU64& heartbeat = vitals().heartbeat;
    // Relaxed, and no read-modify-write: of two threads that beat at once one beat may be lost, the
    // counter changes all the same.
    heartbeat.store(heartbeat.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Membership::ready() noexcept {
    check_usable();
    vitals().state.store(static_cast<std::uint32_t>(layout::WorkerState::kReady),
                         std::memory_order_release);
    beat();
    tell_ready(ready_pipe_);
}

Errc Membership::verify() noexcept {
    check_usable();
    SHMIPC_CHECK(
        has_inode(locks_->fd(), locks_inode_) && has_inode(identity_->fd(), identity_inode_),
        "the descriptor that holds this worker's identity was closed by the program; do "
        "not close descriptors that you have not opened");
    const bool named = identity_->has_its_name();
    if (!named) {
        name_lost_.store(true, std::memory_order_relaxed);
    }
    return named ? Errc::kOk : Errc::kNameLost;
}

void Membership::disown_in_child() noexcept {
    // Relaxed: the child has one thread.
    forked_.store(true, std::memory_order_relaxed);
    // Before any code of the child that could use them. A thread that attached while another one
    // forked may have left them half made; then nobody has a handle of them.
    if (cores_made_.load(std::memory_order_acquire)) {
        producer_->forked = true;
        producer_->end.disown();
        for (ConsumerCore& core : consumers_) {
            core.gate = ConsumerCore::Gate::kForked;
            core.end.disown();
        }
    }
    // Closed here and now, and not once more by a destructor, when the number may be another
    // file's.
    identity_.reset();
    locks_.reset();
    ready_pipe_.reset();
}

void Membership::check_usable() const noexcept {
    // Relaxed: set before the child's first instruction.
    if (forked_.load(std::memory_order_relaxed)) {
        fail_in_forked_child();
    }
}

layout::Vitals& Membership::vitals() const noexcept {
    return producer_->end.channel().producer_part->vitals;
}

ConsumerCore& Membership::consumer(WorkerIndex index) noexcept {
    return consumers_[to_number(cell_of(index, index_))];
}

}  // namespace shmipc::detail
