// The supervisor's control socket: io.shmipc (description.hpp) served over Varlink.
//
// Owned by run_group beside the supervisor, on the same Asio loop; nothing blocks. Who may do what:
// access.hpp; each order is logged with the uid and pid that the kernel names for the client.
#pragma once

#include "daemon/reloader.hpp"
#include "daemon/supervisor.hpp"
#include "keeper/report.hpp"
#include "log_stream.hpp"
#include "order_wait.hpp"
#include "varlink/parameters.hpp"
#include "varlink/server.hpp"
#include "watch_stream.hpp"
#include <shmipc/ids.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::supervisor {

class Control {
  public:
    struct Surroundings {
        boost::asio::io_context& io;
        Supervisor& supervisor;
        Reloader& reloader;
        std::function<std::string()> metrics;  ///< the text for Metrics()
        /// The group whose members may look, and give no orders; nothing: nobody but those who may
        /// give orders.
        std::optional<gid_t> observers{};
    };

    /// Listens at `path`. Throws Error as varlink::Server does. What `surroundings` refers to, and
    /// what is posted to its io_context, outlives it.
    Control(Surroundings surroundings, const std::string& path);
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    ~Control();

    /// To be called after each change of a worker's state; answers later.
    void on_change(WorkerIndex worker);
    [[nodiscard]] ControlReport report() const noexcept;
    /// Whether the socket's path still leads here.
    [[nodiscard]] bool has_socket() const noexcept { return server_.has_its_name(); }
    /// Makes the socket anew. Throws Error as the constructor does.
    void renew_socket() { server_.listen_anew(); }

  private:
    using CallPtr = std::shared_ptr<varlink::Call>;

    varlink::Interface interface();
    void status(const CallPtr& call);
    void order(const CallPtr& call, Event event);
    void kill(const CallPtr& call);
    void autopsy(const CallPtr& call);
    void watch(const CallPtr& call);
    void log(const CallPtr& call);
    void reload(const CallPtr& call);
    void log_level(const CallPtr& call);
    void metrics(const CallPtr& call) const;

    /// The parameter `workers`, checked: all if it is missing or empty. Nothing if the call was
    /// answered with an error.
    std::optional<std::vector<WorkerIndex>> workers_of(const CallPtr& call,
                                                       varlink::Parameters& parameters) const;
    /// False, and answered, if the supervisor is on its way out.
    bool takes_orders(const CallPtr& call) const;
    /// False, and answered, if the client may only look.
    static bool may_order(const CallPtr& call);
    [[nodiscard]] varlink::Rights judge(int socket, const varlink::Peer& peer) const;
    void announce(const CallPtr& call, const std::string& what) const;
    void settle();
    void on_dropped(const varlink::Peer& peer, const std::string& reason);

    Surroundings surroundings_;
    gid_t socket_group_;
    std::list<OrderWait> waits_;
    std::list<std::shared_ptr<WatchStream>> watches_;
    LogStreams logs_;
    bool settle_posted_ = false;
    std::optional<std::chrono::steady_clock::time_point> drop_noticed_;
    std::uint64_t drops_unnoticed_ = 0;  ///< since then
    varlink::Server server_;             ///< last: it may call methods as soon as it is there
};

}  // namespace shmipc::supervisor
