#include "service_manager.hpp"

#include "base/unix_address.hpp"
#include "shared/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <utility>

#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr std::size_t kMostPending = 64;

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::uint64_t monotonic_microseconds() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000U;
}

std::optional<std::chrono::microseconds> watchdog_of_environment() {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const auto time = parse_number(variable("WATCHDOG_USEC"), kMost);
    const std::string_view pid = variable("WATCHDOG_PID");
    // Meant for another process: it was inherited.
    const bool ours = pid.empty() || pid == std::to_string(::getpid());
    return time && *time > 0 && ours
               ? std::optional(std::chrono::microseconds(static_cast<std::int64_t>(*time)))
               : std::nullopt;
}

}  // namespace

ServiceManager::ServiceManager(const std::string& socket,
                               std::optional<std::chrono::microseconds> watchdog)
    : watchdog_(watchdog) {
    const auto address = os::to_address(socket);
    // Paths, and with '@' abstract names; systemd's documentation reserves the rest.
    if (!address || (!socket.starts_with('/') && !socket.starts_with('@'))) {
        return;
    }
    address_ = *address;
    if (socket.starts_with('@')) {
        address_.sun_path[0] = '\0';
    }
    // An abstract name ends where the address does.
    address_length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
    socket_ = os::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

ServiceManager ServiceManager::from_environment() {
    ServiceManager manager(std::string(variable("NOTIFY_SOCKET")), watchdog_of_environment());
    manager.started_by_systemd_ = variable("SYSTEMD_EXEC_PID") == std::to_string(::getpid());
    return manager;
}

void ServiceManager::ready() {
    tell("READY=1");
}

void ServiceManager::reloading() {
    tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_microseconds()));
}

void ServiceManager::stopping() {
    tell("STOPPING=1");
}

void ServiceManager::status(std::string_view text) {
    status_ = text;
    std::replace(status_.begin(), status_.end(), '\n', ' ');  // a newline would end it
    (void)tell_pending();
}

void ServiceManager::pass() {
    if (tell_pending() && watchdog_) {
        (void)send("WATCHDOG=1");
    }
}

void ServiceManager::extend(std::chrono::microseconds time) {
    if (tell_pending()) {
        (void)send("EXTEND_TIMEOUT_USEC=" + std::to_string(time.count()));
    }
}

void ServiceManager::tell(std::string state) {
    if (socket_) {
        pending_.push_back(std::move(state));
        if (pending_.size() > kMostPending) {  // nobody has listened for long
            pending_.pop_front();
        }
        (void)tell_pending();
    }
}

bool ServiceManager::tell_pending() noexcept {
    while (!pending_.empty()) {
        if (!send(pending_.front())) {
            return false;
        }
        pending_.pop_front();
    }
    if (status_ != status_told_ && send("STATUS=" + status_)) {
        status_told_ = status_;
    }
    return true;
}

bool ServiceManager::send(std::string_view text) const noexcept {
    if (!socket_) {
        return false;
    }
    return os::retry([&] {
               return ::sendto(socket_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                               os::generic(address_), address_length_);
           }) >= 0;
}

}  // namespace shmipc::supervisor
