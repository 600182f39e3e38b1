// The listener that metrics.listen asks for, if any, and what happens when it cannot be had.
//
// Metrics are no reason for a group not to run: an address that cannot be listened at is told once,
// with the remedy, and tried again, less and less often, until it can be. A listener that there was
// before goes on meanwhile. On the supervisor's one io_context.
#pragma once

#include "metrics_listener.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace shmipc::supervisor {

/// When an address is tried again: after the first time, then twice as late each time.
struct MetricsRetry {
    std::chrono::milliseconds first{1000};
    std::chrono::milliseconds longest{60'000};
};

class MetricsEndpoint {
  public:
    /// `text` as MetricsListener wants it; `group` is named in remedies.
    MetricsEndpoint(boost::asio::io_context& io, std::function<std::string()> text,
                    std::string group, MetricsRetry retry = {});
    MetricsEndpoint(const MetricsEndpoint&) = delete;
    MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;
    ~MetricsEndpoint() = default;

    /// Listens at `address`, which wrong_with_listen_address() has nothing against, and no longer
    /// elsewhere; at none if it is empty. Returns why it cannot, which it tries again then; empty
    /// if it does. Logs either.
    std::string listen(const std::string& address);

    /// Where it listens now; empty if it does not.
    [[nodiscard]] const std::string& serving() const noexcept { return serving_; }

  private:
    /// Why it cannot; empty if it does.
    std::string try_now();
    void try_later();

    boost::asio::io_context& io_;
    std::function<std::string()> text_;
    std::string group_;
    MetricsRetry retry_;
    std::string wanted_;
    std::string serving_;
    std::unique_ptr<MetricsListener> listener_;
    std::chrono::milliseconds delay_{0};
    boost::asio::steady_timer timer_;
};

/// What can be done about an address that could not be listened at for `error_number`: the drop-in
/// that the unit of `group` needs, or who has the port. Begins with ": "; empty if nothing is
/// known.
std::string listen_remedy(int error_number, const std::string& group);

}  // namespace shmipc::supervisor
