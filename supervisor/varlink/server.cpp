#include "server.hpp"

#include "base/os.hpp"
#include "connection.hpp"
#include "error_names.hpp"
#include "listening_socket.hpp"
#include "service.hpp"
#include "shares.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace shmipc::varlink {
namespace {

/// In one turn of the loop, which others want to use as well.
constexpr int kMostAccepted = 16;
/// When the system has no more descriptors: it would say so at once again.
constexpr std::chrono::seconds kAcceptPause{1};
constexpr uid_t kNobodysUid = static_cast<uid_t>(-1);

Peer peer_of(const os::Fd& socket) noexcept {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
        return {.uid = kNobodysUid, .rights = Rights::kNone};
    }
    return {.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
}

}  // namespace

/// The socket, and all connections that came from it. Handlers in the loop know it weakly.
class Server::Listener final : public ConnectionOwner,
                               public std::enable_shared_from_this<Server::Listener> {
  public:
    Listener(boost::asio::io_context& io, std::string path, mode_t mode, Info info,
             std::vector<Interface> interfaces, const Limits& limits, Report report, Judge judge)
        : io_(io),
          path_(std::move(path)),
          mode_(mode),
          limits_(limits),
          report_(std::move(report)),
          judge_(std::move(judge)),
          service_(std::make_shared<Service>(std::move(info), std::move(interfaces))),
          socket_(std::make_unique<ListeningSocket>(path_, mode_)),
          acceptor_(io, socket_->get()),
          pause_(io),
          shares_(limits_.clients, limits_.clients_per_user, ::geteuid()),
          leaving_shares_(shares_) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() override;

    void wait();
    void listen_anew();
    [[nodiscard]] bool has_its_name() const noexcept { return socket_->has_its_name(); }
    [[nodiscard]] Counts counts() const noexcept;

    void called() override { ++counts_.calls; }
    bool leaves(Connection& connection, const std::string& reason) override;
    void closed(Connection& connection) override;

  private:
    using Connections = std::set<std::shared_ptr<Connection>>;

    void accept();
    /// Returns why the loop cannot watch it; empty if it does.
    std::string take(os::Fd socket);
    void admit(const std::shared_ptr<Connection>& connection);
    void pause(const std::string& reason);

    boost::asio::io_context& io_;
    std::string path_;
    mode_t mode_;
    Limits limits_;
    Report report_;
    Judge judge_;
    std::shared_ptr<const Service> service_;
    std::unique_ptr<ListeningSocket> socket_;         ///< never empty
    boost::asio::posix::stream_descriptor acceptor_;  ///< borrows the descriptor of socket_
    boost::asio::steady_timer pause_;
    bool waiting_ = false;  ///< for acceptor_
    bool pause_reported_ = false;
    Connections clients_;
    Connections leaving_;  ///< are told why; no more of them than of clients
    Shares shares_;        ///< of clients_
    Shares
        leaving_shares_;  ///< of leaving_: a crowd that is turned away keeps nobody's reason back
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
    if (std::exchange(waiting_, true)) {
        return;
    }
    acceptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                         [self = weak_from_this()](const boost::system::error_code& error) {
                             const auto listener = self.lock();
                             if (listener != nullptr && !error) {
                                 listener->waiting_ = false;
                                 listener->accept();
                             }
                         });
}

void Server::Listener::listen_anew() {
    auto fresh = std::make_unique<ListeningSocket>(path_, mode_);
    static_cast<void>(acceptor_.release());  // whose wait ends with an error
    acceptor_.assign(fresh->get());
    socket_ = std::move(fresh);
    waiting_ = false;
    wait();
}

void Server::Listener::accept() {
    for (int i = 0; i < kMostAccepted; ++i) {
        os::Fd socket(os::retry([this] {
            return ::accept4(socket_->get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
    Peer peer = peer_of(socket);
    if (judge_ && peer.rights != Rights::kNone) {
        peer.rights = judge_(socket.get(), peer);
    }
    std::shared_ptr<Connection> connection;
    try {
        connection =
            std::make_shared<Connection>(io_, std::move(socket), peer, limits_, service_, *this);
    } catch (const boost::system::system_error& refused) {
        return refused.code().message();
    }
    admit(connection);
    return {};
}

void Server::Listener::admit(const std::shared_ptr<Connection>& connection) {
    const Peer& peer = connection->peer();
    if (peer.rights == Rights::kNone) {
        connection->turn_away(kPermissionDenied, "it may not use this socket");
        return;
    }
    const auto refusal = shares_.enter(peer.uid);
    if (!refusal) {
        clients_.insert(connection);
        connection->serve();
        return;
    }
    const bool own = *refusal == Shares::Refusal::kUser;
    const std::size_t limit = own ? shares_.limit_of(peer.uid) : shares_.together();
    connection->turn_away(
        kTooManyClients,
        "there are " + std::to_string(limit) + " clients of " +
            (own ? "uid " + std::to_string(peer.uid) + ", the most that one user may have"
                 : "all users together, the most that are served beside root's and the service's "
                   "own"));
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
    const uid_t uid = connection.peer().uid;
    if (clients_.erase(self) > 0) {
        ++counts_.dropped;
        shares_.leave(uid);
    } else {
        ++counts_.turned_away;
    }
    const bool stays = !leaving_shares_.enter(uid);
    if (stays) {
        leaving_.insert(self);
    }
    report_(connection.peer(), reason);
    return stays;
}

void Server::Listener::closed(Connection& connection) {
    const auto self = connection.shared_from_this();
    const uid_t uid = connection.peer().uid;
    if (clients_.erase(self) > 0) {
        shares_.leave(uid);
    }
    if (leaving_.erase(self) > 0) {
        leaving_shares_.leave(uid);
    }
}

Server::Server(boost::asio::io_context& io, const std::string& path, mode_t mode, Info info,
               std::vector<Interface> interfaces, const Limits& limits, Report report, Judge judge)
    : listener_(std::make_shared<Listener>(io, path, mode, std::move(info), std::move(interfaces),
                                           limits, std::move(report), std::move(judge))) {
    listener_->wait();
}

Server::~Server() = default;

Server::Counts Server::counts() const noexcept {
    return listener_->counts();
}

bool Server::has_its_name() const noexcept {
    return listener_->has_its_name();
}

void Server::listen_anew() {
    listener_->listen_anew();
}

}  // namespace shmipc::varlink
