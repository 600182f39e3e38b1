// Each kind of client that breaks a bound, beside one that keeps to all and must not notice.
#include "fixture.hpp"
#include "varlink/error_names.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <sys/socket.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace shmipc::varlink;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

/// The error in the next message, and that it says a reason.
std::string error_of(RawClient& raw) {
    const auto text = raw.read();
    if (!text) {
        return "no message";
    }
    const json::object message = json::parse(*text).as_object();
    if (!message.contains("error") || message.at("parameters").at("reason").as_string().empty()) {
        return *text;
    }
    return std::string(message.at("error").as_string());
}

}  // namespace

TEST_CASE("a client that sends what is no call gets an error, the end, and is reported") {
    TestService service;
    GoodClient good(service);
    RawClient raw(service.path());
    std::string sent;
    std::string_view expected = kNotVarlink;
    SUBCASE("not JSON") {
        sent = "GET / HTTP/1.0";
        expected = kNotJson;
    }
    SUBCASE("nothing") {
        expected = kNotJson;
    }
    SUBCASE("deep") {
        sent = std::string(5000, '[');
        expected = kNotJson;
    }
    SUBCASE("a list") {
        sent = "[]";
    }
    SUBCASE("no method") {
        sent = "{}";
    }
    SUBCASE("a method of another type") {
        sent = R"({"method":["io.test.Echo"]})";
    }
    SUBCASE("parameters of another type") {
        sent = R"({"method":"io.test.Echo","parameters":1})";
    }
    SUBCASE("a flag of another type") {
        sent = R"({"method":"io.test.Echo","more":"yes"})";
    }
    sent += '\0';
    // What follows is not looked at, and can still be sent.
    REQUIRE(raw.send(call_text("Echo") + sent + call_text("Note")));
    CHECK(raw.read() == R"({"parameters":{}})");
    CHECK(error_of(raw) == expected);
    CHECK(raw.send(call_text("Note")));
    CHECK(raw.at_end());
    CHECK(service.told("report a call is malformed: ") == 1);
    CHECK(service.told("noted") == 0);
    CHECK(good.served());
    CHECK(service.counts().dropped == 1);
    CHECK(service.counts().clients == 1);
}

TEST_CASE("a call may have as many bytes as the limit, and not one more") {
    TestService service({.message_bytes = 1000});
    GoodClient good(service);
    RawClient raw(service.path());
    const std::size_t frame = call_text("Echo", R"({"x":""})").size();
    const auto call_of = [&](std::size_t bytes) {
        return call_text("Echo", R"({"x":")" + std::string(bytes - frame, 'x') + R"("})");
    };
    REQUIRE(call_of(1000).size() == 1000);
    REQUIRE(raw.send(call_of(1000) + call_of(999)));
    CHECK(raw.read());
    CHECK(raw.read());
    SUBCASE("one more") {
        REQUIRE(raw.send(call_of(1001)));
    }
    SUBCASE("many more, without an end") {
        // More than is thrown away: the pipe may break, but the error is there to be read.
        const std::string piece(100'000, 'x');
        for (int i = 0; i < 100 && raw.send(piece); ++i) {
        }
    }
    CHECK(error_of(raw) == kMessageTooLong);
    CHECK(raw.at_end());
    CHECK(service.told("report a call is longer than 1000 bytes") == 1);
    CHECK(good.served());
}

TEST_CASE("one client too many is told so; when another leaves there is room again") {
    TestService service({.clients = 2});
    GoodClient good(service);
    RawClient second(service.path());
    REQUIRE(second.send(call_text("Echo")));
    REQUIRE(second.read());
    {
        Client third = Client::connect(service.path());
        try {
            third.call("io.test.Echo");
            FAIL("was served");
        } catch (const CallError& error) {
            CHECK(error.error() == kTooManyClients);
        }
    }
    // A crowd of those that are turned away, and stay.
    std::vector<RawClient> crowd;
    crowd.reserve(20);
    for (int i = 0; i < 20; ++i) {
        crowd.emplace_back(service.path());
    }
    for (RawClient& one : crowd) {
        CHECK(error_of(one) == kTooManyClients);
        CHECK(one.at_end());
    }
    CHECK(good.served());
    CHECK(service.counts().turned_away == 21);
    CHECK(service.counts().connections == 23);
    CHECK(service.counts().clients == 2);
    CHECK(service.counts().dropped == 0);
    CHECK(service.told("report there are 2 clients of uid ") == 21);

    second.half_close();
    CHECK(second.at_end());
    Client next = Client::connect(service.path());
    CHECK(next.call("io.test.Echo").empty());
}

TEST_CASE("who is idle is dropped, with half a call as well; who waits for an answer is not") {
    TestService service({.idle = 1s, .calls_a_second = 1'000'000});
    GoodClient good(service);
    RawClient waiting(service.path());
    REQUIRE(waiting.send(call_text("Hold")));
    RawClient raw(service.path());
    bool half = false;
    SUBCASE("silent") {}
    SUBCASE("half a call") {
        half = true;
        REQUIRE(raw.send(R"({"method":"io.test.)"));
    }
    SUBCASE("silent after a call") {
        REQUIRE(raw.send(call_text("Echo")));
        REQUIRE(raw.read());
    }
    bool always_served = true;
    bool dripping = true;
    while (!service.wait_for("report sent no whole call for 1000 ms", 1, 20ms)) {
        always_served = always_served && good.served();
        // Bytes alone don't count.
        dripping = dripping && (!half || raw.send(" "));
    }
    CHECK(always_served);
    if (half) {
        CHECK(error_of(raw) == kIdle);  // the answer to that call
    }
    CHECK(raw.at_end());  // and no answer to a call that there was not
    CHECK(service.counts().dropped == 1);
    service.on_loop([&] { service.held().at(0)->reply({}); });
    CHECK(waiting.read() == R"({"parameters":{}})");
}

TEST_CASE("a flood of calls ends in an error, after the answers to those that were allowed") {
    TestService service({.calls_a_second = 50});
    Client good = Client::connect(service.path());
    RawClient raw(service.path());
    std::string flood;
    for (int i = 0; i < 500; ++i) {
        flood += call_text("Echo");
    }
    static_cast<void>(raw.send(flood));
    std::string last;
    std::size_t answered = 0;
    while (const auto text = raw.read()) {
        last = *text;
        ++answered;
    }
    CHECK(answered > 50);
    CHECK(json::parse(last).at("error").as_string() == kFlood);
    CHECK(service.told("report more than 50 calls a second") == 1);
    CHECK(good.call("io.test.Echo").empty());
}

TEST_CASE("a client that ends in the middle of a call is told so") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Echo") + R"({"method":)"));
    raw.half_close();
    CHECK(raw.read() == R"({"parameters":{}})");
    CHECK(error_of(raw) == kUnfinished);
    CHECK(raw.at_end());
    CHECK(service.told("report ended in the middle of a call") == 1);
}

TEST_CASE("out-of-band data ends the connection") {
    TestService service;
    GoodClient good(service);
    RawClient raw(service.path());
    if (::send(raw.descriptor(), "x", 1, MSG_OOB | MSG_NOSIGNAL) != 1) {
        MESSAGE("not on this kernel");
        return;
    }
    CHECK(error_of(raw) == kNotVarlink);
    CHECK(raw.at_end());
    CHECK(good.served());
}

TEST_CASE("a client that is told to leave, and doesn't, is closed") {
    TestService service({.clients = 1});
    RawClient raw(service.path());
    REQUIRE(raw.send(std::string_view("x\0", 2)));
    CHECK(error_of(raw) == kNotJson);
    // Ours is open still; theirs goes when its time is over.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (raw.send(" ") && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK_FALSE(raw.send(" "));
    // There is room again for one that may stay for a moment.
    RawClient next(service.path());
    REQUIRE(next.send(std::string_view("x\0", 2)));
    CHECK(error_of(next) == kNotJson);
    CHECK(next.at_end());
    CHECK(next.send(" "));
}
