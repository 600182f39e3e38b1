// One client that watches workers: io.shmipc.Watch.
//
// A client that has not taken the last answer gets no further one until it has: then the newest
// state, whatever lay between. So nothing piles up.
#pragma once

#include "daemon/supervisor.hpp"
#include "keeper/report.hpp"
#include "varlink/server.hpp"
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace shmipc::supervisor {

/// Whether something changed that is worth telling; ages and uptimes always do, and are not.
bool differs(const WorkerReport& left, const WorkerReport& right) noexcept;

/// Handled through shared_ptr: its timer may have run out just when it is forgotten.
class WatchStream : public std::enable_shared_from_this<WatchStream> {
  public:
    struct Request {
        std::vector<WorkerIndex> workers;
        std::chrono::microseconds interval{0};
        bool all = false;  ///< every worker at every interval
    };

    WatchStream(boost::asio::io_context& io, Supervisor& supervisor,
                std::shared_ptr<varlink::Call> call, Request request);
    WatchStream(const WatchStream&) = delete;
    WatchStream& operator=(const WatchStream&) = delete;
    ~WatchStream() = default;

    /// The first answer, with all workers.
    void start();
    /// A worker's state has changed.
    void on_change();
    [[nodiscard]] bool open() const noexcept { return call_->open(); }

  private:
    void send(bool all);
    void tell(bool all);
    void wait();

    Supervisor& supervisor_;
    std::shared_ptr<varlink::Call> call_;
    Request request_;
    std::vector<WorkerReport> told_;  ///< as request_.workers
    boost::asio::steady_timer timer_;
};

}  // namespace shmipc::supervisor
