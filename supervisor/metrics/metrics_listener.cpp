#include "metrics_listener.hpp"

#include "base/log.hpp"
#include "config/listen_address.hpp"
#include "metrics_answer.hpp"
#include <shmipc/error.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <set>
#include <utility>

#include <fcntl.h>

namespace shmipc::supervisor {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

/// Of a request that is not answered any more: read, so that what it still sends does not make the
/// system throw away the answer, and thrown away.
constexpr std::size_t kMostDiscarded = 65'536;
constexpr std::chrono::milliseconds kDiscardPatience{1000};

void close_on_exec(int descriptor) noexcept {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);  // fails for no descriptor of ours
}

}  // namespace

/// Accepts. Outlives the MetricsListener while handlers are queued; is closed then.
class MetricsListener::Listener : public std::enable_shared_from_this<Listener> {
  public:
    Listener(asio::io_context& io, std::function<std::string()> text, const MetricsLimits& limits)
        : acceptor_(io), pause_(io), text_(std::move(text)), limits_(limits) {}

    void open(const std::string& address);
    void accept();
    void close();

    void forget(Connection& connection) { connections_.erase(&connection); }
    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] const std::function<std::string()>& text() const noexcept { return text_; }
    [[nodiscard]] const MetricsLimits& limits() const noexcept { return limits_; }
    [[nodiscard]] tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

  private:
    void admit(tcp::socket socket);
    void pause(const beast::error_code& error);

    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::function<std::string()> text_;
    MetricsLimits limits_;
    std::set<Connection*> connections_;  // each takes itself out
    bool short_of_descriptors_ = false;
    bool closed_ = false;
};

/// One client. Lives as long as a handler of it is queued, and goes, closed, with the last.
class MetricsListener::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(tcp::socket socket, std::shared_ptr<Listener> listener)
        : stream_(std::move(socket)),
          // A header that is too long must fit, to be recognised as such.
          buffer_(2 * std::size_t{listener->limits().header_bytes}),
          listener_(std::move(listener)) {}
    ~Connection() { listener_->forget(*this); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void read();
    void close() { stream_.close(); }

  private:
    void on_request(const beast::error_code& error);
    void write();
    void finish();
    void discard();

    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    std::shared_ptr<Listener> listener_;
    std::optional<MetricsParser> parser_;
    MetricsResponse response_;
    std::array<char, 4096> rubbish_{};
    std::size_t discarded_ = 0;
};

void MetricsListener::Connection::read() {
    parser_.emplace();
    parser_->header_limit(listener_->limits().header_bytes);
    // For the whole header, however small the pieces that it comes in.
    stream_.expires_after(listener_->limits().patience);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const beast::error_code& error, std::size_t /*length*/) {
            self->on_request(error);
        });
}

void MetricsListener::Connection::on_request(const beast::error_code& error) {
    if (listener_->closed()) {
        return;
    }
    if (!error) {
        try {
            response_ = answer(*parser_, listener_->text());
        } catch (const std::bad_alloc&) {
            stream_.close();  // this request ends, and nothing else
            return;
        }
    } else if (auto refusal = refuse(error)) {
        response_ = std::move(*refusal);
    } else {
        return;
    }
    write();
}

void MetricsListener::Connection::write() {
    stream_.expires_after(listener_->limits().patience);
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](const beast::error_code& error, std::size_t /*length*/) {
            if (error || self->listener_->closed()) {
                return;
            }
            if (self->response_.keep_alive()) {
                self->read();
            } else {
                self->finish();
            }
        });
}

void MetricsListener::Connection::finish() {
    beast::error_code gone;
    stream_.socket().shutdown(tcp::socket::shutdown_send, gone);
    stream_.expires_after(std::min(kDiscardPatience, listener_->limits().patience));
    discard();
}

void MetricsListener::Connection::discard() {
    stream_.async_read_some(
        asio::buffer(rubbish_),
        [self = shared_from_this()](const beast::error_code& error, std::size_t length) {
            self->discarded_ += length;
            if (!error && !self->listener_->closed() && self->discarded_ < kMostDiscarded) {
                self->discard();
            }
        });
}

void MetricsListener::Listener::open(const std::string& address) {
    const std::string what = "cannot listen for metrics at '" + address + "'";
    const auto parsed = parse_listen_address(address);
    if (!parsed) {
        throw Error(Errc::kSystem, what + ": it " + wrong_with_listen_address(address));
    }
    const tcp::endpoint endpoint(asio::ip::make_address(parsed->host), parsed->port);
    beast::error_code error;
    const auto require = [&](const char* call) {
        if (error) {
            throw Error::from_errno(Errc::kSystem, error.value(), what + ": " + call);
        }
    };
    acceptor_.open(endpoint.protocol(), error);
    require("socket");
    close_on_exec(acceptor_.native_handle());
    // A supervisor that is restarted need not wait until its predecessor's connections time out.
    acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    require("setsockopt");
    acceptor_.bind(endpoint, error);
    require("bind");
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    require("listen");
}

void MetricsListener::Listener::accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const beast::error_code& error, tcp::socket socket) {
            if (self->closed_) {
                return;
            }
            if (error && error != asio::error::connection_aborted) {
                self->pause(error);
                return;
            }
            if (!error) {
                self->admit(std::move(socket));
            }
            self->accept();
        });
}

void MetricsListener::Listener::admit(tcp::socket socket) {
    short_of_descriptors_ = false;
    if (connections_.size() >= limits_.connections) {
        return;  // which closes it
    }
    close_on_exec(socket.native_handle());
    const auto connection = std::make_shared<Connection>(std::move(socket), shared_from_this());
    connections_.insert(connection.get());
    connection->read();
}

void MetricsListener::Listener::pause(const beast::error_code& error) {
    // The connection still waits: to accept at once would be to spin.
    if (!std::exchange(short_of_descriptors_, true)) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "metrics: no connection can be accepted: " + error.message(),
                 {{"ERRNO", error.value()}});
    }
    pause_.expires_after(limits_.accept_pause);
    pause_.async_wait([self = shared_from_this()](const beast::error_code& cancelled) {
        if (!cancelled && !self->closed_) {
            self->accept();
        }
    });
}

void MetricsListener::Listener::close() {
    closed_ = true;
    text_ = nullptr;  // what it refers to may go now
    beast::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (Connection* const connection : connections_) {
        connection->close();
    }
}

MetricsListener::MetricsListener(asio::io_context& io, const std::string& address,
                                 std::function<std::string()> text, const MetricsLimits& limits)
    : listener_(std::make_shared<Listener>(io, std::move(text), limits)) {
    listener_->open(address);
    listener_->accept();
}

MetricsListener::~MetricsListener() {
    listener_->close();
}

tcp::endpoint MetricsListener::endpoint() const {
    return listener_->endpoint();
}

}  // namespace shmipc::supervisor
