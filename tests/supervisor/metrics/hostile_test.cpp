// Clients of the metrics listener that mean no good, or do not know how, and a good one beside
// them.
#include "client.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

using namespace shmipc::supervisor::test;

namespace {

bool no_descriptors = false;
int accepts = 0;

}  // namespace

/// In place of libc's, so that descriptors can run out for accept() alone: UBSan needs some itself.
extern "C" int accept(int fd, sockaddr* address, socklen_t* length) {
    ++accepts;
    if (no_descriptors) {
        errno = EMFILE;
        return -1;
    }
    return ::accept4(fd, address, length, 0);
}

TEST_CASE("metrics listener: what is no request is answered with an error, once, and closed") {
    struct Case {
        std::string sent;
        const char* answer;
    };
    const Case cases[] = {
        {"rubbish\r\n\r\n", "HTTP/1.1 400 Bad Request"},
        {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15),
         "HTTP/1.1 400 Bad Request"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request"},
        {request("GET /metrics HTTP/1.1", "Content-Length: x\r\n"), "HTTP/1.1 400 Bad Request"},
        {request("GET /metrics HTTP/1.1", "Content-Length: 3\r\n") + "abc", "HTTP/1.1 413"},
        {request("POST /metrics HTTP/1.1", "Content-Length: 9999999999\r\n"), "HTTP/1.1 413"},
        {request("GET /metrics HTTP/1.1", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n",
         "HTTP/1.1 413"},
        {request("GET /metrics HTTP/1.1", "A: " + std::string(10'000, 'a') + "\r\n"),
         "HTTP/1.1 431"},
        {"GET /" + std::string(60'000, 'a'), "HTTP/1.1 431"},
        {std::string(20'000, 'a'), "HTTP/1.1 4"},
        {std::string(20'000, '\0'), "HTTP/1.1 4"},
    };
    Server server;
    for (const Case& c : cases) {
        CAPTURE(c.sent.substr(0, 80));
        Client client(*server.listener);
        CHECK(client.send(c.sent));
        CHECK(server.run_until([&] { return client.closed(); }));
        CAPTURE(client.received());
        CHECK_FALSE(client.was_reset());
        CHECK(client.answers("HTTP/1.") == 1);
        CHECK(contains(client.received(), c.answer));
        CHECK(contains(client.received(), "Connection: close\r\n"));
        CHECK(server.scrapes == 0);
    }
    CHECK(server.serves());
}

TEST_CASE("metrics listener: who is silent or slow is closed, also one that sends bit by bit") {
    Server server({.patience = 300ms});
    Client silent(*server.listener);
    Client half(*server.listener);
    CHECK(half.send("GET /metrics HTTP/1.1\r\n"));
    Client idle(*server.listener);
    CHECK(idle.send(request("GET /metrics HTTP/1.1")));
    Client drip(*server.listener);
    CHECK(drip.send("GET /metrics HTTP/1.1\r\n"));
    const auto begin = std::chrono::steady_clock::now();
    auto next = begin;
    CHECK(server.run_until([&] {
        if (std::chrono::steady_clock::now() >= next) {
            drip.send("a");
            next += 10ms;
        }
        return drip.closed();
    }));
    CHECK(drip.received().empty());
    CHECK(std::chrono::steady_clock::now() - begin >= 200ms);
    CHECK(server.run_until([&] { return silent.closed() && half.closed() && idle.closed(); }));
    CHECK(silent.received().empty());
    CHECK(half.received().empty());
    CHECK(idle.answers("HTTP/1.1 200 OK") == 1);
    CHECK(server.serves());
}

TEST_CASE("metrics listener: who does not take the answer is closed, others are served meanwhile") {
    Server server({.patience = 300ms});
    server.body = std::string(32U << 20U, '\n');  // more than the sockets' buffers take
    Client reluctant(*server.listener);
    CHECK(reluctant.send(request("GET /metrics HTTP/1.1")));
    CHECK(server.run_until([&] { return server.scrapes == 1; }));
    server.body = "some_metric 1\n";
    CHECK(server.serves());
    // Reads nothing, until the server has given up: which a send tells, without reading.
    CHECK(server.run_until([&] { return !reluctant.send("x"); }));
    CHECK(reluctant.received().size() < (32U << 20U));
}

TEST_CASE(
    "metrics listener: one client too many is closed at once, and comes in when there is room") {
    Server server({.connections = 4});
    std::vector<std::unique_ptr<Client>> clients(4);
    std::vector<std::unique_ptr<Client>> surplus(100);
    for (auto* const some : {&clients, &surplus}) {
        for (auto& client : *some) {
            client = std::make_unique<Client>(*server.listener);
        }
    }
    for (const auto& client : surplus) {
        CHECK(server.run_until([&] { return client->closed(); }));
        CHECK(client->received().empty());
    }
    for (const auto& client : clients) {
        CHECK(client->send(request("GET /metrics HTTP/1.1")));
        CHECK(server.run_until([&] { return client->answers("HTTP/1.1 200 OK") == 1; }));
    }
    clients[0]->close();
    // Whether the server has noticed shows in the next one that comes.
    CHECK(server.run_until([&] {
        Client next(*server.listener);
        next.send(request("GET /metrics HTTP/1.1"));
        return server.run_until([&] {
            return next.closed() || next.answers("HTTP/1.1 200 OK") == 1;
        }) && next.answers("HTTP/1.1 200 OK") == 1;
    }));
}

TEST_CASE("metrics listener: clients that vanish in the midst of anything do no harm") {
    Server server;
    const std::string whole = request("GET /metrics HTTP/1.1");
    for (std::size_t length = 0; length <= whole.size(); ++length) {
        Client client(*server.listener);
        CHECK(client.send(whole.substr(0, length)));
        if (length % 2 == 0) {
            server.io.restart();
            server.io.poll();
        }
        client.close();
    }
    CHECK(server.serves());
}

TEST_CASE("metrics listener: without descriptors it waits for some, and does not spin") {
    Server server({.accept_pause = 100ms});
    Client client(*server.listener);
    CHECK(client.send(request("GET /metrics HTTP/1.1")));
    accepts = 0;
    no_descriptors = true;
    server.io.run_for(350ms);
    no_descriptors = false;
    CHECK(accepts >= 2);
    CHECK(accepts <= 5);
    CHECK(client.received().empty());
    CHECK(server.run_until([&] { return client.answers("HTTP/1.1 200 OK") == 1; }));
}
