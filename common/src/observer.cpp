#include <shmipc/observer.hpp>

#include <cstring>
#include <utility>

#include <shmipc/detail/cores.hpp>
#include <shmipc/group.hpp>
#include <shmipc/protocol/copy.hpp>

#include "segment.hpp"

namespace shmipc {

struct Observer::State {
    layout::Geometry geometry;
    std::vector<detail::Mapping> mappings;  ///< by worker index
    std::vector<protocol::ObserverEnd<>> ends;
};

Observer::Observer(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Observer::Observer(Observer&&) noexcept = default;
Observer& Observer::operator=(Observer&&) noexcept = default;
Observer::~Observer() = default;

Observer Observer::open(const std::string& group) {
    if (!is_group_name(group)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + group + "': expected [A-Za-z0-9_-]{1,64}");
    }
    auto state = std::make_unique<State>();
    const detail::Segment first =
        detail::Segment::open(group, WorkerIndex{0}, detail::Access::kInspect);
    state->geometry = first.geometry();
    for (std::uint32_t i = 0; i < state->geometry.workers; ++i) {
        state->mappings.emplace_back(
            detail::Segment::open(group, WorkerIndex{i}, detail::Access::kInspect, first),
            detail::Role::kObserver);
        state->ends.emplace_back(state->mappings.back().channel());
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
    const layout::PayloadStamp& stamp =
        state_->mappings[to_number(channel)].channel().producer_part->payload;
    // Acquire, with the release that stamped it.
    if (stamp.stamped.load(std::memory_order_acquire) == 0) {
        return {};
    }
    return {.name = std::string(stamp.name, strnlen(stamp.name, sizeof stamp.name)),
            .size = stamp.size};
}

}  // namespace shmipc
