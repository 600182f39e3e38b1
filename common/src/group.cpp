#include "base/os.hpp"
#include "birth.hpp"
#include "identity.hpp"
#include "lock_file.hpp"
#include "segment.hpp"
#include <shmipc/detail/cores.hpp>
#include <shmipc/group.hpp>
#include <shmipc/protocol/words.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include <sys/types.h>
#include <unistd.h>

namespace shmipc {

namespace {

/// Reads one value, or nothing where the object ends before it.
template <class Value>
std::optional<Value> read_at(int fd, std::uint64_t offset) noexcept {
    Value value{};
    const auto got =
        os::retry([&] { return pread(fd, &value, sizeof value, static_cast<off_t>(offset)); });
    return got == static_cast<ssize_t>(sizeof value) ? std::optional(value) : std::nullopt;
}

/// layout::Vitals as plain numbers, for pread.
struct PlainVitals {
    std::uint32_t pid;
    std::uint32_t state;
    std::uint32_t incarnation;
    std::uint32_t membarrier;
    std::uint64_t started_ns;
    std::uint64_t heartbeat;
};
static_assert(offsetof(PlainVitals, incarnation) == offsetof(layout::Vitals, incarnation) &&
              offsetof(PlainVitals, started_ns) == offsetof(layout::Vitals, started_ns) &&
              offsetof(PlainVitals, heartbeat) == offsetof(layout::Vitals, heartbeat));

/// layout::Cell as plain numbers, for pread.
struct PlainCell {
    std::uint32_t word;
    std::uint32_t padding;
    std::uint64_t reads;
    std::array<std::uint64_t, 6> rest;
};
static_assert(sizeof(PlainCell) == sizeof(layout::Cell) &&
              offsetof(PlainCell, reads) == offsetof(layout::Cell, reads));

/// layout::SlotHeader as plain numbers, for pread.
struct PlainSlotHeader {
    std::uint64_t sequence;
    std::uint64_t time;
    std::uint64_t origin;
    std::uint64_t reserved;
};
static_assert(sizeof(PlainSlotHeader) == sizeof(layout::SlotHeader) &&
              offsetof(PlainSlotHeader, time) == offsetof(layout::SlotHeader, time) &&
              offsetof(PlainSlotHeader, origin) == offsetof(layout::SlotHeader, origin));

/// How long an ending claim waits for whoever creates or removes objects.
constexpr std::chrono::milliseconds kBirthPatience{2'000};

template <class Call>
auto catching(std::error_code& error, Call&& call) -> std::optional<decltype(call())> {
    error.clear();
    try {
        return call();
    } catch (const Error& failure) {
        error = failure.code();
        return std::nullopt;
    }
}

std::uint64_t cell_offset(CellIndex cell) noexcept {
    return layout::Geometry::shared_offset() + sizeof(layout::SharedPart) +
           std::uint64_t{to_number(cell)} * sizeof(layout::Cell);
}

}  // namespace

struct Group::State {
    std::string name;
    layout::Geometry geometry;
    bool created = false;
    std::vector<detail::Segment> segments;

    void open_all(const detail::Generation& generation) {
        segments.reserve(geometry.workers);
        for (std::uint32_t i = 0; i < geometry.workers; ++i) {
            segments.push_back(detail::Segment::open(name, WorkerIndex{i}, detail::Access::kObserve,
                                                     geometry, generation));
        }
    }
    [[nodiscard]] int fd(WorkerIndex index) const noexcept {
        return segments[to_number(index)].fd();
    }
    [[nodiscard]] bool has(WorkerIndex index) const noexcept {
        return to_number(index) < geometry.workers;
    }
};

Group::Group(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Group::Group(Group&&) noexcept = default;
Group& Group::operator=(Group&&) noexcept = default;
Group::~Group() = default;

Group Group::create_or_open(const GroupConfig& config) {
    // Bound for a group that is removed again and again between the two steps.
    constexpr int kTries = 100;
    for (int i = 0;; ++i) {
        auto state = std::make_unique<State>();
        const detail::Birth birth = detail::ensure_group(config);
        state->name = config.name;
        state->geometry = config.geometry();
        state->created = birth.created;
        try {
            state->open_all(birth.generation);
            return Group(std::move(state));
        } catch (const Error& error) {
            const bool removed_meanwhile =
                error.errc() == Errc::kNoGroup || error.errc() == Errc::kGenerationMismatch;
            if (!removed_meanwhile || i == kTries) {
                if (birth.created) {
                    state.reset();
                    detail::undo_birth(config.name, birth.generation);
                }
                throw;
            }
        }
    }
}

std::optional<Group> Group::create_or_open(const GroupConfig& config, std::error_code& error) {
    return catching(error, [&] { return create_or_open(config); });
}

Group Group::open(const std::string& name) {
    if (!is_group_name(name)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + name + "': expected [A-Za-z0-9_-]{1,64}");
    }
    auto state = std::make_unique<State>();
    const detail::Segment first =
        detail::Segment::open(name, WorkerIndex{0}, detail::Access::kObserve);
    state->name = name;
    state->geometry = first.geometry();
    state->open_all(first.generation());
    return Group(std::move(state));
}

std::optional<Group> Group::open(const std::string& name, std::error_code& error) {
    return catching(error, [&] { return open(name); });
}

bool Group::remove(const std::string& name) {
    return detail::remove_group(name);
}

bool Group::remove(const std::string& name, std::error_code& error) {
    return catching(error, [&] { return remove(name); }).value_or(false);
}

bool Group::remove(const SupervisorClaim& claim) {
    return detail::remove_own_group(claim.group());
}

bool Group::remove(const SupervisorClaim& claim, std::error_code& error) {
    return catching(error, [&] { return remove(claim); }).value_or(false);
}

const std::string& Group::name() const noexcept {
    return state_->name;
}
const layout::Geometry& Group::geometry() const noexcept {
    return state_->geometry;
}
bool Group::created() const noexcept {
    return state_->created;
}

std::optional<VitalSigns> Group::vital_signs(WorkerIndex index) const noexcept {
    if (!state_->has(index)) {
        return std::nullopt;
    }
    const auto vitals =
        read_at<PlainVitals>(state_->fd(index), offsetof(layout::ProducerPart, vitals));
    const auto current =
        read_at<std::uint64_t>(state_->fd(index), offsetof(layout::ProducerPart, current));
    if (!vitals || !current) {
        return std::nullopt;
    }
    return VitalSigns{.pid = vitals->pid,
                      .state = static_cast<layout::WorkerState>(vitals->state),
                      .incarnation = vitals->incarnation,
                      .heartbeat = vitals->heartbeat,
                      .started = std::chrono::nanoseconds{vitals->started_ns},
                      .written = *current >> 16U};
}

std::vector<HeldMessage> Group::held_by(WorkerIndex index) const {
    std::vector<HeldMessage> held;
    for (std::uint32_t i = 0; i < state_->geometry.workers && state_->has(index); ++i) {
        const WorkerIndex channel{i};
        if (channel == index) {
            continue;
        }
        const auto word =
            read_at<std::uint32_t>(state_->fd(channel), cell_offset(cell_of(index, channel)));
        const protocol::CellWord cell{word.value_or(0)};
        if (cell.state() != protocol::CellState::kHeld ||
            to_number(cell.slot()) >= state_->geometry.slots) {
            continue;
        }
        const std::uint64_t slot =
            state_->geometry.slots_offset() + to_number(cell.slot()) * state_->geometry.stride();
        if (const auto sequence = read_at<std::uint64_t>(state_->fd(channel), slot)) {
            held.push_back({.channel = channel, .sequence = *sequence});
        }
    }
    return held;
}

std::uint64_t Group::read_by(WorkerIndex index) const noexcept {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < state_->geometry.workers && state_->has(index); ++i) {
        const WorkerIndex channel{i};
        if (channel != index) {
            sum +=
                read_at<std::uint64_t>(state_->fd(channel), cell_offset(cell_of(index, channel)) +
                                                                offsetof(layout::Cell, reads))
                    .value_or(0);
        }
    }
    return sum;
}

std::vector<ConsumerTotals> Group::consumer_totals() const {
    const std::uint32_t workers = state_->geometry.workers;
    std::vector<ConsumerTotals> totals(workers);
    std::vector<PlainCell> cells(state_->geometry.consumers());
    for (std::uint32_t c = 0; c < workers; ++c) {
        const WorkerIndex channel{c};
        const auto got = os::retry([&] {
            return pread(state_->fd(channel), cells.data(), cells.size() * sizeof(PlainCell),
                         static_cast<off_t>(cell_offset(CellIndex{0})));
        });
        if (got != static_cast<ssize_t>(cells.size() * sizeof(PlainCell))) {
            continue;
        }
        for (std::uint32_t w = 0; w < workers; ++w) {
            if (w == c) {
                continue;
            }
            const PlainCell& cell = cells[to_number(cell_of(WorkerIndex{w}, channel))];
            totals[w].read += cell.reads;
            totals[w].held +=
                protocol::CellWord{cell.word}.state() == protocol::CellState::kHeld ? 1U : 0U;
        }
    }
    return totals;
}

std::optional<MessageInfo> Group::latest(WorkerIndex index) const noexcept {
    constexpr int kTries = 8;
    for (int i = 0; i < kTries && state_->has(index); ++i) {
        const auto word =
            read_at<std::uint64_t>(state_->fd(index), offsetof(layout::ProducerPart, current));
        const protocol::Current current{word.value_or(0)};
        if (current.empty() || to_number(current.slot()) >= state_->geometry.slots) {
            return std::nullopt;
        }
        const auto header = read_at<PlainSlotHeader>(
            state_->fd(index), state_->geometry.slots_offset() +
                                   to_number(current.slot()) * state_->geometry.stride());
        // Not overwritten meanwhile, nor written by a producer that died before it published.
        if (header && current.names(header->sequence)) {
            return detail::to_info(header->sequence, protocol::Origin{header->origin},
                                   protocol::Time{header->time});
        }
    }
    return std::nullopt;
}

bool Group::running(WorkerIndex index) const {
    if (!state_->has(index)) {
        return false;
    }
    const detail::Segment& segment = state_->segments[to_number(index)];
    if (detail::is_locked(segment.fd(), segment.name())) {
        return true;
    }
    // An outsider's read lock may have kept the worker from locking its object.
    const auto locks = detail::LockFile::open(name(), segment.owner());
    return locks && locks->is_locked(detail::LockFile::identity(index));
}

Errc Group::verify_name(WorkerIndex index) const noexcept {
    if (!state_->has(index)) {
        return Errc::kInvalidIndex;
    }
    return state_->segments[to_number(index)].has_its_name() ? Errc::kOk : Errc::kNameLost;
}

struct SupervisorClaim::State {
    std::string group;
    uid_t owner;
    detail::LockFile locks;
};

SupervisorClaim::SupervisorClaim(std::unique_ptr<State> state) noexcept
    : state_(std::move(state)) {}
SupervisorClaim::SupervisorClaim(SupervisorClaim&&) noexcept = default;

SupervisorClaim::~SupervisorClaim() {
    if (state_ == nullptr) {
        return;
    }
    const detail::LockFile& locks = state_->locks;
    try {
        // Goes with the last object; whoever is creating some at this moment keeps it.
        if (locks.lock(detail::LockFile::kBirth, kBirthPatience)) {
            locks.remove_if_unused(state_->group, state_->owner);
        }
    } catch (const Error&) {
        // An empty file more, which the next one takes up, is not worth an error.
    }
    detail::unlock(locks.fd());
}

std::optional<SupervisorClaim> SupervisorClaim::take(const std::string& group,
                                                     std::uint32_t& holder) {
    if (!is_group_name(group)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + group + "': expected [A-Za-z0-9_-]{1,64}");
    }
    // Bound for a lock file that is removed again and again.
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        auto state = std::make_unique<State>(
            State{group, geteuid(), detail::LockFile::open_or_make(group, geteuid())});
        const detail::LockFile& locks = state->locks;
        if (!locks.lock(detail::LockFile::kSupervisor, std::chrono::milliseconds{0})) {
            holder = locks.supervisor();
            return std::nullopt;
        }
        // Its last holder may have removed the file between our open and our lock.
        if (locks.has_its_name()) {
            locks.tell_supervisor(static_cast<std::uint32_t>(getpid()));
            return SupervisorClaim(std::move(state));
        }
    }
    throw Error(Errc::kGroupBusy, "the lock file of group '" + group +
                                      "' is removed and made again all the time: see which program "
                                      "does so");
}

const std::string& SupervisorClaim::group() const noexcept {
    return state_->group;
}

bool SupervisorClaim::renew(std::uint32_t& holder) {
    holder = 0;
    if (state_->locks.has_its_name()) {
        return true;
    }
    auto fresh = take(state_->group, holder);
    if (!fresh) {
        return false;
    }
    state_ = std::move(fresh->state_);
    return true;
}

}  // namespace shmipc
