// A metrics listener under test and clients of it, all in one thread: the server takes a step, then
// the clients look what has come.
#pragma once

#include "base/os.hpp"
#include "metrics/metrics_listener.hpp"

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <new>
#include <optional>
#include <string>

#include <netinet/in.h>
#include <sys/socket.h>

namespace shmipc::supervisor::test {

using namespace std::chrono_literals;

/// Generous: only a hang reaches it.
inline constexpr auto kPatience = 30s;

/// A client that never waits: what it receives is looked for after each step of the server.
class Client {
  public:
    Client() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) { REQUIRE(socket_); }
    explicit Client(const MetricsListener& listener) : Client() { connect(listener); }

    void connect(const MetricsListener& listener) const {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(listener.endpoint().port());
        REQUIRE(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof(address)) == 0);
    }
    /// False once the server has closed.
    bool send(const std::string& text) const {
        return ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
               static_cast<ssize_t>(text.size());
    }
    void close() { socket_.reset(); }

    const std::string& received() {
        char bytes[4096];
        ssize_t length = 0;
        while ((length = ::recv(socket_.get(), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
            received_.append(bytes, static_cast<std::size_t>(length));
        }
        reset_ = reset_ || (length < 0 && errno == ECONNRESET);
        closed_ = closed_ || length == 0 || (errno != EAGAIN && errno != EINTR);
        return received_;
    }
    bool closed() {
        received();
        return closed_;
    }
    /// The end came as an error, before which an answer may get lost on a slower way than this one.
    [[nodiscard]] bool was_reset() const noexcept { return reset_; }
    /// How many answers have come, bodies that end in a newline included.
    std::size_t answers(const std::string& status) {
        std::size_t count = 0;
        const std::string& text = received();
        for (std::size_t at = text.find(status); at != std::string::npos;
             at = text.find(status, at + 1)) {
            ++count;
        }
        return text.empty() || text.back() != '\n' ? 0 : count;
    }

  private:
    os::Fd socket_;
    std::string received_;
    bool closed_ = false;
    bool reset_ = false;
};

struct Server {
    explicit Server(const MetricsLimits& limits = {})
        : listener(
              std::in_place, io, "127.0.0.1:0", [this] { return text(); }, limits) {}

    /// Runs the server, handler by handler, until `done`, or until patience is at its end.
    bool run_until(const std::function<bool()>& done) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!done()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            io.restart();
            io.run_one_for(100ms);
        }
        return true;
    }
    /// Whether a client that behaves gets what it wants.
    bool serves() {
        Client good(*listener);
        good.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        return run_until([&] { return good.answers("HTTP/1.1 200 OK") == 1; });
    }
    std::string text() {
        ++scrapes;
        if (out_of_memory) {
            throw std::bad_alloc();
        }
        return body;
    }

    boost::asio::io_context io{1};
    std::string body = "some_metric 1\n";
    int scrapes = 0;
    bool out_of_memory = false;
    std::optional<MetricsListener> listener;
};

inline std::string request(const std::string& first_line, const std::string& more = "") {
    return first_line + "\r\nHost: x\r\n" + more + "\r\n";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace shmipc::supervisor::test
