#include "server.hpp"

#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include <shmipc/os.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <sys/socket.h>

#include "connection.hpp"
#include "listening_socket.hpp"
#include "service.hpp"

namespace shmipc::varlink {
namespace {

/// In one turn of the loop, which others want to use as well.
constexpr int kMostAccepted = 16;
/// When the system has no more descriptors: it would say so at once again.
constexpr std::chrono::seconds kAcceptPause{1};

Peer peer_of(const os::Fd& socket) noexcept {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
        return {};
    }
    return {.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
}

}  // namespace

/// The socket, and all connections that came from it. Handlers in the loop know it weakly.
class Server::Listener final : public ConnectionOwner,
                               public std::enable_shared_from_this<Server::Listener> {
  public:
    Listener(boost::asio::io_context& io, const std::string& path, mode_t mode, Info info,
             std::vector<Interface> interfaces, const Limits& limits, Report report)
        : io_(io),
          limits_(limits),
          report_(std::move(report)),
          service_(std::make_shared<Service>(std::move(info), std::move(interfaces))),
          socket_(path, mode),
          acceptor_(io, socket_.get()),
          pause_(io) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() override;

    void wait();
    [[nodiscard]] Counts counts() const noexcept;

    void called() override { ++counts_.calls; }
    bool leaves(Connection& connection, const std::string& reason) override;
    void closed(Connection& connection) override;

  private:
    using Connections = std::set<std::shared_ptr<Connection>>;

    void accept();
    /// Returns why the loop cannot watch it; empty if it does.
    std::string take(os::Fd socket);
    void pause(const std::string& reason);

    boost::asio::io_context& io_;
    Limits limits_;
    Report report_;
    std::shared_ptr<const Service> service_;
    ListeningSocket socket_;
    boost::asio::posix::stream_descriptor acceptor_;  ///< borrows the descriptor of socket_
    boost::asio::steady_timer pause_;
    bool pause_reported_ = false;
    Connections clients_;
    Connections leaving_;  ///< are told why; no more of them than of clients
    Counts counts_;
};

Server::Listener::~Listener() {
    for (const Connections& connections :
         {std::exchange(clients_, {}), std::exchange(leaving_, {})}) {
        for (const auto& connection : connections) {
            connection->abandon();
        }
    }
    static_cast<void>(acceptor_.release());
}

Server::Counts Server::Listener::counts() const noexcept {
    Counts counts = counts_;
    counts.clients = clients_.size();
    return counts;
}

void Server::Listener::wait() {
    acceptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                         [self = weak_from_this()](const boost::system::error_code& error) {
                             const auto listener = self.lock();
                             if (listener != nullptr && !error) {
                                 listener->accept();
                             }
                         });
}

void Server::Listener::accept() {
    for (int i = 0; i < kMostAccepted; ++i) {
        os::Fd socket(os::retry([this] {
            return ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        }));
        if (socket) {
            if (const std::string refusal = take(std::move(socket)); !refusal.empty()) {
                pause(refusal);
                return;
            }
            pause_reported_ = false;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != ECONNABORTED) {
            pause(std::generic_category().message(errno));
            return;
        }
    }
    wait();
}

std::string Server::Listener::take(os::Fd socket) {
    ++counts_.connections;
    const Peer peer = peer_of(socket);
    std::shared_ptr<Connection> connection;
    try {
        connection =
            std::make_shared<Connection>(io_, std::move(socket), peer, limits_, service_, *this);
    } catch (const boost::system::system_error& refused) {
        return refused.code().message();
    }
    if (clients_.size() >= limits_.clients) {
        connection->turn_away();
    } else {
        clients_.insert(connection);
        connection->serve();
    }
    return {};
}

void Server::Listener::pause(const std::string& reason) {
    if (!std::exchange(pause_reported_, true)) {
        report_({}, "no client can be accepted: " + reason + "; tried again every second");
    }
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
        const auto listener = self.lock();
        if (listener != nullptr && !error) {
            listener->accept();
        }
    });
}

bool Server::Listener::leaves(Connection& connection, const std::string& reason) {
    const auto self = connection.shared_from_this();
    ++(clients_.erase(self) > 0 ? counts_.dropped : counts_.turned_away);
    const bool stays = leaving_.size() < limits_.clients && leaving_.insert(self).second;
    report_(connection.peer(), reason);
    return stays;
}

void Server::Listener::closed(Connection& connection) {
    const auto self = connection.shared_from_this();
    clients_.erase(self);
    leaving_.erase(self);
}

Server::Server(boost::asio::io_context& io, const std::string& path, mode_t mode, Info info,
               std::vector<Interface> interfaces, const Limits& limits, Report report)
    : listener_(std::make_shared<Listener>(io, path, mode, std::move(info), std::move(interfaces),
                                           limits, std::move(report))) {
    listener_->wait();
}

Server::~Server() = default;

Server::Counts Server::counts() const noexcept {
    return listener_->counts();
}

}  // namespace shmipc::varlink
