#include "client.hpp"
#include "metrics/metrics_listener.hpp"
#include <shmipc/error.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fcntl.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace shmipc::supervisor::test;

TEST_CASE("metrics listener: GET and HEAD of /metrics, and nothing else of use") {
    struct Case {
        const char* first_line;
        const char* status;
        std::vector<std::string> parts;
    };
    const Case cases[] = {
        {"GET /metrics HTTP/1.1",
         "HTTP/1.1 200 OK",
         {"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", "Content-Length: 14\r\n",
          "\r\n\r\nsome_metric 1\n"}},
        {"GET /metrics?name=x HTTP/1.1", "HTTP/1.1 200 OK", {"some_metric 1\n"}},
        {"GET / HTTP/1.1",
         "HTTP/1.1 200 OK",
         {"Content-Type: text/html; charset=utf-8\r\n", "<a href=\"/metrics\">"}},
        {"GET /metrics/ HTTP/1.1", "HTTP/1.1 404 Not Found", {"404 Not Found\n"}},
        {"GET /etc/passwd HTTP/1.1", "HTTP/1.1 404 Not Found", {}},
        {"POST /metrics HTTP/1.1", "HTTP/1.1 405 Method Not Allowed", {"Allow: GET, HEAD\r\n"}},
        {"DELETE / HTTP/1.1", "HTTP/1.1 405 Method Not Allowed", {"Allow: GET, HEAD\r\n"}},
        {"BREW /metrics HTTP/1.1", "HTTP/1.1 405 Method Not Allowed", {"Allow: GET, HEAD\r\n"}},
    };
    Server server;
    for (const Case& c : cases) {
        CAPTURE(c.first_line);
        Client client(*server.listener);
        CHECK(client.send(request(c.first_line)));
        CHECK(server.run_until([&] { return client.answers(c.status) == 1; }));
        CAPTURE(client.received());
        for (const std::string& part : c.parts) {
            CHECK(contains(client.received(), part));
        }
        CHECK_FALSE(client.closed());
    }
    CHECK(server.scrapes == 2);
}

TEST_CASE("metrics listener: a request that there is no memory for ends, and the next is served") {
    Server server;
    server.out_of_memory = true;
    Client client(*server.listener);
    CHECK(client.send(request("GET /metrics HTTP/1.1")));
    CHECK(server.run_until([&] { return client.closed(); }));
    server.out_of_memory = false;
    CHECK(server.serves());
}

TEST_CASE("metrics listener: HEAD tells the length of what GET would send, and sends no body") {
    Server server;
    Client client(*server.listener);
    CHECK(client.send(request("HEAD /metrics HTTP/1.1")));
    CHECK(server.run_until([&] { return contains(client.received(), "\r\n\r\n"); }));
    CHECK(contains(client.received(), "Content-Length: 14\r\n"));
    CHECK_FALSE(contains(client.received(), "some_metric"));
    // And the next answer follows at once.
    CHECK(client.send(request("GET /metrics HTTP/1.1")));
    CHECK(server.run_until([&] { return client.answers("HTTP/1.1 200 OK") == 2; }));
    CHECK(contains(client.received(), "\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST_CASE("metrics listener: a connection is kept as HTTP says") {
    Server server;
    SUBCASE(
        "1.1: until the client asks to close; requests that come together are answered in turn") {
        Client client(*server.listener);
        CHECK(client.send(request("GET /metrics HTTP/1.1") + request("GET /metrics HTTP/1.1") +
                          request("GET /metrics HTTP/1.1", "Connection: close\r\n")));
        CHECK(server.run_until([&] { return client.closed(); }));
        CHECK(client.answers("HTTP/1.1 200 OK") == 3);
        CHECK(server.scrapes == 3);
    }
    SUBCASE("1.0: not at all") {
        Client client(*server.listener);
        CHECK(client.send("GET /metrics HTTP/1.0\r\n\r\n"));
        CHECK(server.run_until([&] { return client.closed(); }));
        CHECK(client.answers("HTTP/1.0 200 OK") == 1);
    }
    SUBCASE("1.0, if it asks for it") {
        Client client(*server.listener);
        CHECK(client.send("GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        CHECK(server.run_until([&] { return client.answers("HTTP/1.0 200 OK") == 1; }));
        CHECK(client.send("GET /metrics HTTP/1.0\r\n\r\n"));
        CHECK(server.run_until([&] { return client.closed(); }));
        CHECK(client.answers("HTTP/1.0 200 OK") == 2);
    }
}

TEST_CASE("metrics listener: when it goes, all is closed, and what is queued harms nobody") {
    Server server({.patience = 1h});  // nothing ends by itself
    Client reading(*server.listener);
    Client answered(*server.listener);
    CHECK(answered.send(request("GET /metrics HTTP/1.1")));
    CHECK(server.run_until([&] { return answered.answers("HTTP/1.1 200 OK") == 1; }));
    // Each of these has a handler that the loop has not come to, or a connection not yet accepted.
    Client complete(*server.listener);
    CHECK(complete.send(request("GET /metrics HTTP/1.1")));
    CHECK(reading.send(request("GET /metrics HTTP/1.1")));
    Client rubbish(*server.listener);
    CHECK(rubbish.send("rubbish\r\n\r\n"));
    for (int steps = 0; steps < 3; ++steps) {
        server.io.restart();
        server.io.poll_one();
    }
    const int scrapes = server.scrapes;
    server.listener.reset();
    server.io.restart();
    server.io.run_for(kPatience);  // ends when nothing is left to wait for
    CHECK(server.io.stopped());
    CHECK(server.scrapes == scrapes);
    CHECK(answered.closed());
    CHECK(reading.closed());
    CHECK(complete.closed());
    CHECK(rubbish.closed());
}

TEST_CASE("metrics listener: an address that cannot be had is an error that names it") {
    Server server;
    const std::string taken = "127.0.0.1:" + std::to_string(server.listener->endpoint().port());
    struct Case {
        std::string address;
        std::string part;
    };
    for (const Case& c : {Case{taken, "bind: Address already in use"},
                          Case{"192.0.2.1:9464", "bind: Cannot assign requested address"},
                          Case{"localhost:9464", "no address in numbers"}}) {
        CAPTURE(c.address);
        try {
            const MetricsListener second(server.io, c.address, [] { return std::string(); });
            FAIL("it listens");
        } catch (const Error& error) {
            CHECK(error.errc() == Errc::kSystem);
            CHECK(contains(error.text(), "cannot listen for metrics at '" + c.address + "'"));
            CHECK(contains(error.text(), c.part));
        }
    }
}

TEST_CASE("metrics listener: a program that is started inherits no descriptor of it") {
    Server server;
    Client client(*server.listener);
    CHECK(client.send(request("GET /metrics HTTP/1.1")));
    CHECK(server.run_until([&] { return client.answers("HTTP/1.1 200 OK") == 1; }));
    int sockets = 0;
    for (int fd = 3; fd < 256; ++fd) {
        int type = 0;
        socklen_t length = sizeof(type);
        if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0) {
            ++sockets;
            CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    CHECK(sockets >= 3);  // the listener's, the server's end, the client's
}

TEST_CASE("metrics listener: it listens on IPv6") {
    boost::asio::io_context io(1);
    try {
        const MetricsListener listener(io, "[::1]:0", [] { return std::string(); });
        CHECK(listener.endpoint().address().is_v6());
    } catch (const Error& error) {
        // A machine that has none: the system's word for it, and no other error.
        CHECK((error.system_errno() == EAFNOSUPPORT || error.system_errno() == EADDRNOTAVAIL));
    }
}
