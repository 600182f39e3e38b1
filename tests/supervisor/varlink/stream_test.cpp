// Replies that are not taken, streams side by side, and calls that wait for each other.
#include "fixture.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::test;
using namespace shmipc::varlink;
using namespace std::chrono_literals;
namespace json = boost::json;

TEST_CASE("a client that takes no replies is dropped; others' streams go on") {
    TestService service({.stall = 300ms});
    Client good = Client::connect(service.path());
    good.call_more("io.test.Hold");
    REQUIRE(service.wait_for("held"));
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Hold", "{}", R"(,"more":true)")));
    REQUIRE(service.wait_for("held", 2));
    const std::string payload(1000, 'x');
    int sent = 0;
    int received = 0;
    while (!service.wait_for("report took no reply for 300 ms", 1, 0ms)) {
        service.on_loop([&] {
            service.held()[0]->reply_continued({{"n", sent}});
            if (service.held()[1]->drained()) {
                service.held()[1]->reply_continued({{"n", sent}, {"x", payload}});
            }
        });
        const auto reply = good.receive(kPatience);
        REQUIRE(reply);
        REQUIRE(reply->parameters.at("n") == received);
        ++sent;
        ++received;
    }
    CHECK(received > 0);
    CHECK(service.wait_for("gone"));
    CHECK_FALSE(service.on_loop([&] { return service.held()[1]->open(); }));
    CHECK(service.counts().dropped == 1);
    CHECK(service.counts().clients == 1);
}

TEST_CASE("replies that pile up are bounded") {
    TestService service({.backlog_bytes = 100'000});
    GoodClient good(service);
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Hold", "{}", R"(,"more":true)")));
    REQUIRE(service.wait_for("held"));
    const std::string payload(1000, 'x');
    int sent = 0;
    service.on_loop([&] {
        while (service.held()[0]->open() && sent < 100'000) {
            service.held()[0]->reply_continued({{"x", payload}});
            ++sent;
        }
    });
    CHECK(sent < 100'000);
    CHECK(service.wait_for("report left more than 100000 bytes of replies waiting"));
    CHECK(service.wait_for("gone"));
    // What the system had taken can be read.
    std::size_t taken = 0;
    while (raw.read()) {
        ++taken;
    }
    CHECK(taken > 0);
    CHECK(good.served());
}

TEST_CASE("of two streams the one that is not read leaves states out, and ends with the newest") {
    TestService service;
    Client reader = Client::connect(service.path());
    reader.call_more("io.test.Hold");
    REQUIRE(service.wait_for("held"));
    Client sleeper = Client::connect(service.path());
    sleeper.call_more("io.test.Hold");
    REQUIRE(service.wait_for("held", 2));
    const std::string payload(1000, 'x');
    constexpr int kStates = 2000;
    int seen = 0;
    const auto tell = [&](int state) {
        service.on_loop([&] {
            for (const auto& call : service.held()) {
                if (call->drained()) {
                    call->reply_continued({{"n", state}, {"x", payload}});
                }
            }
        });
    };
    for (int state = 0; state < kStates; ++state) {
        tell(state);
        const auto reply = reader.receive(kPatience);
        seen += reply && reply->continues && reply->parameters.at("n") == state ? 1 : 0;
    }
    CHECK(seen == kStates);
    std::vector<std::int64_t> late;
    while (!service.on_loop([&] { return service.held()[1]->drained(); }) || late.empty()) {
        const auto reply = sleeper.receive(kPatience);
        REQUIRE(reply);
        late.push_back(reply->parameters.at("n").as_int64());
    }
    tell(kStates);
    while (late.back() != kStates) {
        const auto reply = sleeper.receive(kPatience);
        REQUIRE(reply);
        late.push_back(reply->parameters.at("n").as_int64());
    }
    CHECK(std::is_sorted(late.begin(), late.end()));
    CHECK(late.size() < kStates);
}

TEST_CASE(
    "a reply longer than the socket takes at once, and than the backlog may be, arrives whole") {
    TestService service({.backlog_bytes = 1'000'000});
    GoodClient good(service);
    Client client = Client::connect(service.path());
    CHECK(client.call("io.test.Big", {{"bytes", 5'000'000}}).at("text").as_string().size() ==
          5'000'000);
    CHECK(good.served());
}

TEST_CASE("what comes while a call is pending stays in the pipe, and doesn't keep the loop busy") {
    TestService service({.calls_a_second = 1'000'000});
    GoodClient good(service);
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Hold")));
    REQUIRE(service.wait_for("held"));
    const std::string filler(1000, 'x');
    const std::uint64_t turns = service.turns();
    std::string rest;
    int whole = 0;
    std::size_t taken = 0;
    for (; whole < 100'000; ++whole) {
        const std::string call =
            call_text("Echo", R"({"n":)" + std::to_string(whole) + R"(,"x":")" + filler + "\"}");
        taken = raw.send_now(call);
        if (taken < call.size()) {
            rest = call.substr(taken);
            break;
        }
    }
    // The system's buffer is full: the server has read nothing of it.
    CHECK(whole > 0);
    CHECK(whole < 100'000);
    // A turn for each arrival at the most, which an edge-triggered wait tells once, …
    CHECK(service.turns() - turns <= static_cast<std::uint64_t>(whole) + 10);
    // … and when none comes, none but those that this asks for.
    const std::uint64_t quiet = service.turns();
    constexpr int kAsked = 200;
    for (int i = 0; i < kAsked; ++i) {
        service.on_loop([] {});
    }
    CHECK(service.turns() - quiet <= kAsked + 20);
    CHECK(good.served());
    service.on_loop([&] { service.held()[0]->reply({}); });
    CHECK(raw.read() == R"({"parameters":{}})");
    REQUIRE(raw.send(rest));
    int in_order = 0;
    for (int i = 0; i <= whole; ++i) {
        const auto reply = raw.read();
        REQUIRE(reply);
        in_order += json::parse(*reply).at("parameters").at("n") == i ? 1 : 0;
    }
    CHECK(in_order == whole + 1);
}

TEST_CASE("who waits for a client to take its replies is told when it has, each time anew") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Hold", "{}", R"(,"more":true)")));
    REQUIRE(service.wait_for("held"));
    const std::string payload(1'000'000, 'x');
    for (int i = 0; i < 3; ++i) {
        service.on_loop([&] {
            const auto call = service.held()[0];
            call->reply_continued({{"x", payload}});
            CHECK_FALSE(call->drained());  // more than a socket takes
            call->on_drained([&] { service.tell("drained"); });
        });
        CHECK(service.told("drained") == static_cast<std::size_t>(i));
        REQUIRE(raw.read());
        CHECK(service.wait_for("drained", static_cast<std::size_t>(i) + 1));
    }
    // Also if all is taken already; but not after the last answer, nor of a client that is gone.
    service.on_loop([&] { service.held()[0]->on_drained([&] { service.tell("at once"); }); });
    CHECK(service.wait_for("at once"));
    service.on_loop([&] {
        service.held()[0]->on_drained([&] { service.tell("too late"); });
        service.held()[0]->reply({});
        service.held()[0]->on_drained([&] { service.tell("too late"); });
    });
    REQUIRE(raw.read());
    REQUIRE(raw.send(call_text("Hold")));
    REQUIRE(service.wait_for("held", 2));
    service.on_loop([&] {
        auto owner = std::make_shared<int>(0);
        service.held()[1]->on_drained([&, owner] { service.tell("drained once more"); });
    });
    CHECK(service.wait_for("drained once more"));
    raw.close();
    CHECK(service.wait_for("gone"));
    CHECK(service.told("too late") == 0);
}
