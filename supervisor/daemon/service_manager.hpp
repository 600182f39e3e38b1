// Tells the service manager (systemd) how we are: sd_notify(3)'s protocol, without ever waiting for
// it, so that a manager that stands still does not make us stand still too.
//
// One thread.
#pragma once

#include "base/os.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>

namespace shmipc::supervisor {

class ServiceManager {
  public:
    /// `socket`: NOTIFY_SOCKET; empty: there is no manager, and nothing is done. `watchdog`: the
    /// time within which it wants to hear from us.
    ServiceManager(const std::string& socket, std::optional<std::chrono::microseconds> watchdog);
    /// As this process's environment tells (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID,
    /// SYSTEMD_EXEC_PID).
    static ServiceManager from_environment();

    // These three arrive, if need be at the next pass(), and in their order.
    void ready();
    void reloading();  ///< ready() ends it
    void stopping();

    /// A line for people: systemctl status. Only if it differs from the last.
    void status(std::string_view text);
    /// To be called after each look at all workers: pings the watchdog, and tells what could not be
    /// told before.
    void pass();
    /// Starting, reloading or stopping goes on, and takes this much longer at the most.
    void extend(std::chrono::microseconds time);

    /// Whether there is one.
    [[nodiscard]] bool present() const noexcept { return static_cast<bool>(socket_); }
    /// Whether it is systemd, and we are what it started: its commands reach us then, and when we
    /// die it ends what we leave. A NOTIFY_SOCKET alone may come from a container's shell or from
    /// a service that merely called us.
    [[nodiscard]] bool is_systemd() const noexcept { return present() && started_by_systemd_; }
    /// How often pass() has to be called at least; empty: no watchdog.
    [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const noexcept {
        return watchdog_;
    }

  private:
    void tell(std::string state);
    bool tell_pending() noexcept;
    [[nodiscard]] bool send(std::string_view text) const noexcept;

    os::Fd socket_;  ///< empty: there is no manager
    bool started_by_systemd_ = false;
    sockaddr_un address_{};
    socklen_t address_length_ = 0;
    std::optional<std::chrono::microseconds> watchdog_;
    std::deque<std::string> pending_;
    std::string status_;         ///< what it should know
    std::string status_told_{};  ///< what it knows
};

}  // namespace shmipc::supervisor
