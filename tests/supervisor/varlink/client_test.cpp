// The client against a service that does what it should not.
#include "varlink/client.hpp"

#include "fixture.hpp"
#include "varlink/listening_socket.hpp"

#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace shmipc::varlink;
using namespace std::chrono_literals;

namespace {

struct Pair {
    Scratch directory;
    std::string path = directory.path() + "/socket";
    ListeningSocket listening{path, 0600};
    Client client = Client::connect(path);
    RawClient service{os::Fd(
        os::require("accept", [this] { return ::accept(listening.get(), nullptr, nullptr); }))};

    void answer(const std::string& text) const {
        REQUIRE(service.send(text + std::string(1, '\0')));
    }
};

/// The text of the ConnectionError that `f` throws.
std::string failure_of(const std::function<void()>& f, int code = 0) {
    try {
        f();
        return "none";
    } catch (const ConnectionError& error) {
        CHECK(error.code() == code);
        return error.what();
    }
}

}  // namespace

TEST_CASE("a call waits for its answer no longer than it is to") {
    Pair pair;
    CHECK(failure_of([&] { pair.client.call("a.b.C", {}, 10ms); }, ETIMEDOUT) ==
          "connection to " + pair.path + ": no answer");
    Pair other;
    other.answer(R"({"parameters":{"x":1}})");
    CHECK(other.client.call("a.b.C", {}, 60s).at("x") == 1);
}

TEST_CASE("a connection that cannot be made says where and why") {
    const Scratch directory;
    const std::string missing = directory.path() + "/missing";
    CHECK(failure_of([&] { Client::connect(missing); }, ENOENT) ==
          "cannot connect to " + missing + ": No such file or directory");
    const std::string longer = missing + std::string(100, 'x');
    CHECK(failure_of([&] { Client::connect(longer); }, ENAMETOOLONG)
              .starts_with("cannot connect to " + longer + ": a socket's path has 1 … 107 bytes"));
}

TEST_CASE("a reply that is none, or comes when it should not, ends the connection") {
    Pair pair;
    SUBCASE("not JSON") {
        pair.answer("hello");
    }
    SUBCASE("not an object") {
        pair.answer("[]");
    }
    SUBCASE("parameters of another type") {
        pair.answer(R"({"parameters":[]})");
    }
    SUBCASE("an error of another type") {
        pair.answer(R"({"error":1})");
    }
    SUBCASE("one of many") {
        pair.answer(R"({"parameters":{},"continues":true})");
    }
    const std::string failure = failure_of([&] { pair.client.call("a.B"); });
    CHECK(failure.starts_with("connection to " + pair.path + ": "));
}

TEST_CASE("the end of the stream ends a call, and what was said before it is heard") {
    Pair pair;
    SUBCASE("silent") {
        pair.service.half_close();
        CHECK(failure_of([&] { pair.client.call("a.B"); }) ==
              "connection to " + pair.path + ": the service closed it");
    }
    SUBCASE("in a reply") {
        REQUIRE(pair.service.send(R"({"parameters":)"));
        pair.service.half_close();
        CHECK(failure_of([&] { pair.client.call("a.B"); }) ==
              "connection to " + pair.path + ": the service closed it");
    }
    SUBCASE("gone") {
        pair.service.close();
        CHECK(failure_of([&] { pair.client.call("a.B"); }, EPIPE) ==
              "connection to " + pair.path + ": Broken pipe");
    }
    SUBCASE("gone, with a reason") {
        pair.answer(R"({"error":"a.TooMany","parameters":{"most":3}})");
        pair.service.close();
        try {
            pair.client.call("a.B");
            FAIL("was answered");
        } catch (const CallError& error) {
            CHECK(error.error() == "a.TooMany");
            CHECK(error.parameters().at("most") == 3);
        }
    }
}

TEST_CASE("a reply without end is not kept without end") {
    Pair pair;
    std::thread sender([&] {
        const std::string piece(1 << 20, 'x');
        while (pair.service.send(piece)) {
        }
    });
    std::string failure;
    {
        Client client = std::move(pair.client);
        failure = failure_of([&] { client.call("a.B"); });
    }
    sender.join();
    CHECK(failure == "connection to " + pair.path + ": a reply is longer than 16777216 bytes");
}

TEST_CASE("answers are received one by one, in any pieces, or nothing in time") {
    Pair pair;
    pair.client.call_more("a.B", {{"x", 1}});
    CHECK(pair.service.read() == R"({"method":"a.B","parameters":{"x":1},"more":true})");
    CHECK_FALSE(pair.client.receive(0ms));
    CHECK_FALSE(pair.client.receive(-5ms));
    REQUIRE(pair.service.send(R"({"parameters":{"n":1},"cont)"));
    CHECK_FALSE(pair.client.receive(20ms));
    pollfd ready{.fd = pair.client.descriptor(), .events = POLLIN, .revents = 0};
    CHECK(::poll(&ready, 1, 0) == 0);
    pair.answer(R"(inues":true})");
    pair.answer(R"({"parameters":{"n":2}})");
    CHECK(::poll(&ready, 1, 0) == 1);
    const auto first = pair.client.receive(std::chrono::milliseconds::max());
    REQUIRE(first);
    CHECK(first->continues);
    CHECK(first->parameters.at("n") == 1);
    const auto second = pair.client.receive(kPatience);
    REQUIRE(second);
    CHECK_FALSE(second->continues);
    CHECK(second->parameters.at("n") == 2);
}

TEST_CASE("signals neither end nor lengthen the waiting") {
    Pair pair;
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) {};
    REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);  // without SA_RESTART
    std::atomic<bool> over{false};
    std::thread disturber([&over, waiting = ::pthread_self()] {
        while (!over) {
            ::pthread_kill(waiting, SIGUSR1);
            std::this_thread::sleep_for(1ms);
        }
    });
    CHECK_FALSE(pair.client.receive(100ms));
    std::thread answerer([&] {
        std::this_thread::sleep_for(50ms);
        static_cast<void>(pair.service.send(std::string_view("{}\0", 3)));
    });
    CHECK(pair.client.call("a.B").empty());
    answerer.join();
    over = true;
    disturber.join();
    ::sigaction(SIGUSR1, &before, nullptr);
}
