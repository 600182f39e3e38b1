// An HTTP listener for scrapers such as Prometheus: GET /metrics, and nothing else of use.
//
// There is no authentication and no encryption: whoever reaches the address reads the metrics. It
// is off by default (metrics.listen is empty), and meant for a loopback address or a network that
// is trusted; what shall be reached from elsewhere belongs behind a proxy.
//
// Lives on the supervisor's one io_context, one thread, and blocks nowhere. A client is given
// little: how many there are, what a request may be long, and how long a request or an answer may
// take are bounded (MetricsLimits), and there is one request in flight for each connection. No
// request has a body.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace shmipc::supervisor {

struct MetricsLimits {
    std::size_t connections = 32;       ///< at once; one more is closed as soon as it comes
    std::uint32_t header_bytes = 8192;  ///< of a request
    /// For a request to come, from its predecessor's answer on; for an answer to be taken.
    std::chrono::milliseconds patience{10'000};
    /// After the system could not give a connection, for want of descriptors mostly.
    std::chrono::milliseconds accept_pause{1000};
};

class MetricsListener {
  public:
    /// Listens at `address` as parse_listen_address() reads it; port 0 stands for any that is free.
    /// `text` is called for each scrape, from io.run(). Throws Error with the address if it cannot
    /// listen: kSystem, or kNoPermission.
    MetricsListener(boost::asio::io_context& io, const std::string& address,
                    std::function<std::string()> text, const MetricsLimits& limits = {});
    MetricsListener(const MetricsListener&) = delete;
    MetricsListener& operator=(const MetricsListener&) = delete;
    /// Closes all connections, and never calls `text` again; handlers that are queued do nothing.
    ~MetricsListener();

    /// Where it listens, with the true port.
    [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const;

  private:
    class Connection;
    class Listener;
    std::shared_ptr<Listener> listener_;
};

}  // namespace shmipc::supervisor
