// Clients that read the supervisor's log: io.shmipc.Log.
//
// Lines are taken where they are logged, which may be anywhere, and sent from the loop. A client
// that reads slowly loses lines, and is told with the next one how many.
#pragma once

#include "base/log.hpp"
#include "varlink/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>

namespace shmipc::supervisor {

class LogStreams {
  public:
    /// Taps the log for as long as it lives; there must be no other tap. `io` outlives it.
    explicit LogStreams(boost::asio::io_context& io);
    LogStreams(const LogStreams&) = delete;
    LogStreams& operator=(const LogStreams&) = delete;
    ~LogStreams();

    void add(std::shared_ptr<varlink::Call> call);

  private:
    /// Lines that wait for the loop; one more is lost to everybody.
    static constexpr std::size_t kMostQueued = 1024;
    /// Answers that a client may be behind.
    static constexpr std::uint32_t kMostBehind = 64;

    struct Stream {
        std::shared_ptr<varlink::Call> call;
        std::uint32_t behind = 0;  ///< answers since it had taken all
        std::uint64_t lost = 0;
    };

    void take(log::Level level, log::Event event, std::string_view message,
              std::span<const log::Field> fields);
    void flush();
    void drop_closed();
    static void send(Stream& stream, const boost::json::object& line);

    boost::asio::io_context& io_;
    std::list<Stream> streams_;
    std::deque<boost::json::object> queue_;
    std::uint64_t lost_ = 0;  ///< that did not fit into the queue
    /// Handlers that are posted hold it weakly: they may run when this is gone.
    std::shared_ptr<LogStreams*> self_;
    bool posted_ = false;
};

}  // namespace shmipc::supervisor
