#include "membership.hpp"
#include <shmipc/supervision.hpp>
#include <shmipc/worker.hpp>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace shmipc {

namespace {

/// A number from the environment. Throws `code`, naming the variable, if it is missing or no number
/// of [low, high].
std::uint64_t number_from(const char* variable, Errc code, std::uint64_t low, std::uint64_t high) {
    const char* const text = std::getenv(variable);
    const std::string expected = std::string("environment variable ") + variable +
                                 ": expected a number from " + std::to_string(low) + " to " +
                                 std::to_string(high);
    if (text == nullptr) {
        throw Error(code, expected + ", which the supervisor sets; it is not set");
    }
    const std::string_view digits(text);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || value < low ||
        value > high) {
        throw Error(code, expected + ", found '" + text + "'");
    }
    return value;
}

}  // namespace

Worker Worker::attach(const GroupConfig& config, WorkerIndex index, const AttachOptions& options) {
    return Worker(std::make_shared<detail::Membership>(config, index, options));
}

std::optional<Worker> Worker::attach(const GroupConfig& config, WorkerIndex index,
                                     const AttachOptions& options, std::error_code& error) {
    error.clear();
    try {
        return attach(config, index, options);
    } catch (const Error& failure) {
        error = failure.code();
        return std::nullopt;
    }
}

Worker Worker::attach_from_environment(const AttachOptions& options) {
    const char* const group = std::getenv(supervision::kGroupVariable);
    if (group == nullptr) {
        throw Error(Errc::kInvalidGroupName, std::string("environment variable ") +
                                                 supervision::kGroupVariable +
                                                 ", which the supervisor sets, is not set");
    }
    const std::uint64_t workers = number_from(supervision::kWorkersVariable, Errc::kInvalidGeometry,
                                              kMinWorkers, kMaxWorkers);
    const GroupConfig config{
        .name = group,
        .workers = static_cast<std::uint32_t>(workers),
        .capacity = number_from(supervision::kCapacityVariable, Errc::kInvalidGeometry,
                                kMinCapacity, kMaxCapacity),
        .slots = static_cast<std::uint32_t>(
            number_from(supervision::kSlotsVariable, Errc::kInvalidGeometry, 0,
                        layout::Geometry::maximum_slots(kMaxWorkers)))};
    const std::uint64_t index =
        number_from(supervision::kIndexVariable, Errc::kInvalidIndex, 0, workers - 1);
    return attach(config, WorkerIndex{static_cast<std::uint32_t>(index)}, options);
}

WorkerIndex Worker::index() const noexcept {
    return membership_->index();
}
const std::string& Worker::group() const noexcept {
    return membership_->config().name;
}
std::uint32_t Worker::workers() const noexcept {
    return membership_->config().workers;
}
std::uint64_t Worker::capacity() const noexcept {
    return membership_->config().capacity;
}
std::uint32_t Worker::incarnation() const noexcept {
    return membership_->incarnation();
}
const std::vector<Worker::ReclaimedPin>& Worker::reclaimed_pins() const noexcept {
    return membership_->reclaimed_pins();
}

detail::ProducerCore* Worker::take_producer(PayloadType type) {
    return membership_->take_producer(type);
}
detail::ConsumerCore* Worker::take_consumer(WorkerIndex from, PayloadType type) {
    return membership_->take_consumer(from, type);
}

Errc Worker::wait_for_all(Deadline deadline) {
    return membership_->wait_for_all(deadline);
}
Errc Worker::wait_newer(std::span<const WorkerIndex> channels, Deadline deadline) {
    return membership_->wait_newer(channels, deadline);
}
Errc Worker::wait_any_newer(Deadline deadline) {
    return membership_->wait_any_newer(deadline);
}
void Worker::interrupt() noexcept {
    membership_->interrupt();
}
void Worker::beat() noexcept {
    membership_->beat();
}
void Worker::ready() noexcept {
    membership_->ready();
}
Errc Worker::verify() noexcept {
    return membership_->verify();
}
bool Worker::name_lost() const noexcept {
    return membership_->name_lost();
}

}  // namespace shmipc
