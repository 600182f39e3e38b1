#include "base/os.hpp"
#include "names.hpp"
#include "segment.hpp"
#include <shmipc/detail/cores.hpp>
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/protocol/copy.hpp>
#include <shmipc/protocol/memory.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <exception>
#include <utility>

#include <unistd.h>

namespace shmipc {

namespace {

/// Whole or not at all.
bool read_all(int fd, void* bytes, std::size_t size, std::uint64_t offset) noexcept {
    auto* to = static_cast<std::byte*>(bytes);
    while (size > 0) {
        const ssize_t got =
            os::retry([&] { return ::pread(fd, to, size, static_cast<off_t>(offset)); });
        if (got <= 0) {
            return false;
        }
        to += got;
        offset += static_cast<std::uint64_t>(got);
        size -= static_cast<std::size_t>(got);
    }
    // A read after this one sees nothing older: as the loads of protocol/copy.hpp.
    protocol::NativeMemory().fence(protocol::Step::kCopyFence, std::memory_order_acquire);
    return true;
}

/// layout::SlotHeader as plain numbers.
struct PlainSlotHeader {
    std::uint64_t sequence;
    std::uint64_t time;
    std::uint64_t origin;
    std::uint64_t reserved;
};
static_assert(sizeof(PlainSlotHeader) == sizeof(layout::SlotHeader) &&
              offsetof(PlainSlotHeader, time) == offsetof(layout::SlotHeader, time) &&
              offsetof(PlainSlotHeader, origin) == offsetof(layout::SlotHeader, origin));

/// One object that is read by pread(2): protocol/copy.hpp with system calls for loads.
struct CopiedObject {
    std::optional<detail::Segment> segment;
    Errc why_not = Errc::kOk;  ///< there is no segment

    Errc try_copy(const layout::Geometry& geometry, Observer::Message& message) const {
        std::uint64_t word = 0;
        if (!read_all(segment->fd(), &word, sizeof word, offsetof(layout::ProducerPart, current))) {
            return Errc::kTruncated;
        }
        const protocol::Current current{word};
        if (current.empty()) {
            return Errc::kEmpty;
        }
        if (to_number(current.slot()) >= geometry.slots) {
            return Errc::kCorruptChannel;
        }
        const std::uint64_t slot =
            geometry.slots_offset() + to_number(current.slot()) * geometry.stride();
        PlainSlotHeader header{};
        if (!read_all(segment->fd(), &header, sizeof header, slot)) {
            return Errc::kTruncated;
        }
        if (header.sequence == 0 || !current.names(header.sequence)) {
            return Errc::kContended;
        }
        const protocol::Origin origin{header.origin};
        const bool plausible = origin.size() <= geometry.capacity;
        if (plausible) {
            message.bytes.resize(origin.size());
            if (!read_all(segment->fd(), message.bytes.data(), message.bytes.size(),
                          slot + geometry.payload_offset())) {
                return Errc::kTruncated;
            }
        }
        std::uint64_t after = 0;
        if (!read_all(segment->fd(), &after, sizeof after, slot)) {
            return Errc::kTruncated;
        }
        if (after != header.sequence) {
            return Errc::kContended;
        }
        message.info = detail::to_info(header.sequence, origin, protocol::Time{header.time});
        return plausible ? Errc::kOk : Errc::kCorruptChannel;
    }

    Errc copy(const layout::Geometry& geometry, Observer::Message& message) const {
        if (!segment) {
            return why_not;
        }
        Errc outcome = Errc::kContended;
        for (unsigned i = 0; i < protocol::ObserverEnd<>::kTries && outcome == Errc::kContended;
             ++i) {
            outcome = try_copy(geometry, message);
        }
        return outcome;
    }
};

Observer::Payload to_payload(const char* name, std::size_t most, std::uint32_t size) {
    return {.name = std::string(name, strnlen(name, most)), .size = size};
}

void require_group_name(const std::string& group) {
    if (!is_group_name(group)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + group + "': expected [A-Za-z0-9_-]{1,64}");
    }
}

}  // namespace

struct Observer::State {
    layout::Geometry geometry;
    std::vector<detail::Mapping> mappings;  ///< by worker index; kMapped
    std::vector<protocol::ObserverEnd<>> ends;
    std::vector<CopiedObject> objects;  ///< by worker index; kCopied

    void map(const std::string& group);
    void open(const std::string& group);
};

Observer::Observer(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Observer::Observer(Observer&&) noexcept = default;
Observer& Observer::operator=(Observer&&) noexcept = default;
Observer::~Observer() = default;

void Observer::State::map(const std::string& group) {
    const detail::Segment first =
        detail::Segment::open(group, WorkerIndex{0}, detail::Access::kInspect);
    geometry = first.geometry();
    for (std::uint32_t i = 0; i < geometry.workers; ++i) {
        mappings.emplace_back(
            detail::Segment::open(group, WorkerIndex{i}, detail::Access::kInspect, first),
            detail::Role::kObserver);
        ends.emplace_back(mappings.back().channel());
    }
}

void Observer::State::open(const std::string& group) {
    // What the group is like, the first object tells that is whole.
    std::optional<detail::Segment> first;
    std::exception_ptr failure;
    std::vector<WorkerIndex> candidates{WorkerIndex{0}};  // to be told why not, if there is none
    for (const detail::Name& name : detail::names_of(group)) {
        if (name.index && *name.index != candidates.back()) {
            candidates.push_back(*name.index);
        }
    }
    for (const WorkerIndex index : candidates) {
        try {
            first.emplace(detail::Segment::open(group, index, detail::Access::kInspect));
            break;
        } catch (const Error&) {
            failure = failure ? failure : std::current_exception();
        }
    }
    if (!first) {
        std::rethrow_exception(failure);
    }
    geometry = first->geometry();
    for (std::uint32_t i = 0; i < geometry.workers; ++i) {
        CopiedObject object;
        try {
            object.segment.emplace(
                detail::Segment::open(group, WorkerIndex{i}, detail::Access::kInspect, *first));
        } catch (const Error& error) {
            object.why_not = error.errc();
        }
        objects.push_back(std::move(object));
    }
}

Observer Observer::open(const std::string& group) {
    return open(group, Reading::kMapped);
}

Observer Observer::open(const std::string& group, Reading reading) {
    require_group_name(group);
    auto state = std::make_unique<State>();
    if (reading == Reading::kMapped) {
        state->map(group);
    } else {
        state->open(group);
    }
    return Observer(std::move(state));
}

std::optional<Observer> Observer::open(const std::string& group, std::error_code& error) {
    error.clear();
    try {
        return open(group);
    } catch (const Error& failure) {
        error = failure.code();
        return std::nullopt;
    }
}

std::uint32_t Observer::workers() const noexcept {
    return state_->geometry.workers;
}

Errc Observer::read(WorkerIndex channel, Message& message) {
    if (to_number(channel) >= state_->geometry.workers) {
        return Errc::kInvalidIndex;
    }
    if (!state_->objects.empty()) {
        const Errc outcome = state_->objects[to_number(channel)].copy(state_->geometry, message);
        if (outcome != Errc::kOk) {
            message.info = {};
            message.bytes.clear();
        }
        return outcome;
    }
    message.bytes.resize(static_cast<std::size_t>(state_->geometry.capacity));
    protocol::ObserverEnd<>::Copy copy;
    const Errc outcome = state_->ends[to_number(channel)].copy(message.bytes, copy);
    if (outcome != Errc::kOk) {
        message = Message{.info = {}, .bytes = std::move(message.bytes)};
        message.bytes.clear();
        return outcome;
    }
    message.bytes.resize(copy.stamp.origin.size());
    message.info = detail::to_info(copy.sequence, copy.stamp.origin, copy.stamp.time);
    return Errc::kOk;
}

Observer::Payload Observer::payload(WorkerIndex channel) const {
    if (to_number(channel) >= state_->geometry.workers) {
        return {};
    }
    if (!state_->objects.empty()) {
        struct {
            std::uint32_t stamped;
            std::uint32_t size;
            std::array<char, sizeof(layout::PayloadStamp::name)> name;
        } plain{};
        static_assert(sizeof plain == sizeof(layout::PayloadStamp));
        const CopiedObject& object = state_->objects[to_number(channel)];
        // Twice: what stands beside `stamped` holds only if that was 1 before.
        for (int look = 0; look < 2; ++look) {
            if (!object.segment ||
                !read_all(object.segment->fd(), &plain, sizeof plain,
                          offsetof(layout::ProducerPart, payload)) ||
                plain.stamped == 0) {
                return {};
            }
        }
        return to_payload(plain.name.data(), plain.name.size(), plain.size);
    }
    const layout::PayloadStamp& stamp =
        state_->mappings[to_number(channel)].channel().producer_part->payload;
    // Acquire, with the release that stamped it.
    if (stamp.stamped.load(std::memory_order_acquire) == 0) {
        return {};
    }
    return to_payload(stamp.name, sizeof stamp.name, stamp.size);
}

}  // namespace shmipc
