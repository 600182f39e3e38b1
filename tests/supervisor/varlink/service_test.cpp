#include "fixture.hpp"
#include "varlink/error_names.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace shmipc::varlink;
namespace json = boost::json;

namespace {

json::object object_of(const std::optional<std::string>& text) {
    REQUIRE(text);
    return json::parse(*text).as_object();
}

/// "error name/value of its one parameter"
std::string error_of(Client& client, std::string_view method, json::object parameters = {}) {
    try {
        client.call(method, std::move(parameters));
        return "none";
    } catch (const CallError& error) {
        std::string text = error.error();
        for (const auto& member : error.parameters()) {
            text += " " + std::string(member.key()) + "=" + std::string(member.value().as_string());
        }
        return text;
    }
}

}  // namespace

TEST_CASE("a service tells of itself, and describes its interfaces") {
    TestService service;
    Client client = Client::connect(service.path());
    const json::object info = client.call("org.varlink.service.GetInfo");
    CHECK(info.size() == 5);
    CHECK(info.at("vendor") == "the vendor");
    CHECK(info.at("product") == "the product");
    CHECK(info.at("version") == "1.2.3");
    CHECK(info.at("url") == "https://url");
    CHECK(info.at("interfaces") == json::array{"io.another", "io.test", "org.varlink.service"});
    const auto describe = [&](const char* name) {
        return client.call("org.varlink.service.GetInterfaceDescription", {{"interface", name}})
            .at("description")
            .as_string();
    };
    CHECK(describe("io.test") == "interface io.test\n");
    CHECK(describe("org.varlink.service").starts_with("# What"));
}

TEST_CASE("what cannot be called is answered with the right error, and the client goes on") {
    TestService service;
    Client client = Client::connect(service.path());
    const std::string prefix = "org.varlink.service.";
    CHECK(error_of(client, "Echo") == prefix + "InvalidParameter parameter=method");
    CHECK(error_of(client, "") == prefix + "InvalidParameter parameter=method");
    CHECK(error_of(client, "io.none.Echo") == prefix + "InterfaceNotFound interface=io.none");
    CHECK(error_of(client, "io.test.None") == prefix + "MethodNotFound method=io.test.None");
    CHECK(error_of(client, "io.test.") == prefix + "MethodNotFound method=io.test.");
    CHECK(error_of(client, "io.test.Forget") ==
          prefix + "MethodNotImplemented method=io.test.Forget");
    CHECK(error_of(client, "io.test.Count") == prefix + "ExpectedMore");
    CHECK(error_of(client, "io.test.Sum", {{"numbers", "1"}}) ==
          prefix + "InvalidParameter parameter=numbers");
    CHECK(error_of(client, "io.test.Sum", {{"other", 1}}) ==
          prefix + "InvalidParameter parameter=other");
    CHECK(error_of(client, prefix + "GetInfo", {{"x", 1}}) ==
          prefix + "InvalidParameter parameter=x");
    CHECK(error_of(client, prefix + "GetInterfaceDescription") ==
          prefix + "InvalidParameter parameter=interface");
    CHECK(error_of(client, prefix + "GetInterfaceDescription", {{"interface", "io.none"}}) ==
          prefix + "InterfaceNotFound interface=io.none");
    CHECK(client.call("io.test.Echo", {{"a", 1}}).at("a") == 1);
    CHECK(service.counts().calls == 13);
    CHECK(service.counts().dropped == 0);
}

TEST_CASE("a method sees who calls") {
    TestService service;
    Client client = Client::connect(service.path());
    const json::object who = client.call("io.test.Who");
    CHECK(who.at("pid") == ::getpid());
    CHECK(who.at("uid") == ::getuid());
}

TEST_CASE("parameters may be missing or null; a call may come byte by byte, or many at once") {
    TestService service;
    RawClient raw(service.path());
    std::string text;
    SUBCASE("missing") {
        text = R"({"method":"io.test.Echo"})";
        text += '\0';
    }
    SUBCASE("null") {
        text = call_text("Echo", "null");
    }
    SUBCASE("empty") {
        text = call_text("Echo");
    }
    for (const char byte : text) {
        REQUIRE(raw.send({&byte, 1}));
    }
    CHECK(raw.read() == R"({"parameters":{}})");

    std::string many;
    for (int i = 0; i < 100; ++i) {
        many += call_text("Echo", "{\"i\":" + std::to_string(i) + "}");
    }
    REQUIRE(raw.send(many));
    for (int i = 0; i < 100; ++i) {
        CHECK(object_of(raw.read()).at("parameters").at("i") == i);
    }
}

TEST_CASE("a oneway call gets no reply, not even an error") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Note", R"({"n":1})", R"(,"oneway":true)")));
    REQUIRE(raw.send(call_text("None", "{}", R"(,"oneway":true)")));
    REQUIRE(raw.send(call_text("Forget", "{}", R"(,"oneway":true)")));
    REQUIRE(raw.send(call_text("Count", "{}", R"(,"oneway":true,"more":true)")));
    REQUIRE(raw.send(call_text("Echo", "{}", R"(,"oneway":true,"upgrade":true)")));
    REQUIRE(raw.send(call_text("Echo", R"({"last":true})")));
    CHECK(raw.read() == R"({"parameters":{"last":true}})");
    CHECK(service.told("noted") == 1);
}

TEST_CASE("an upgrade is refused, and the client goes on") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Note", "{}", R"(,"upgrade":true)") + call_text("Echo")));
    CHECK(object_of(raw.read()).at("error").as_string() == kUpgradeRefused);
    CHECK(raw.read() == R"({"parameters":{}})");
    CHECK(service.told("noted") == 0);
}

TEST_CASE("with more, a call has several answers; the next call waits for the last") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Count", "{}", R"(,"more":true)") + call_text("Echo")));
    for (int i = 0; i < 3; ++i) {
        const json::object reply = object_of(raw.read());
        CHECK(reply.at("parameters").at("i") == i);
        CHECK(reply.at("continues") == true);
    }
    CHECK(raw.read() == R"({"parameters":{"i":3}})");
    CHECK(raw.read() == R"({"parameters":{}})");

    REQUIRE(raw.send(call_text("Hold") + call_text("Note", R"({"n":2})")));
    REQUIRE(service.wait_for("held"));
    CHECK(service.counts().calls == 3);
    CHECK(service.told("noted") == 0);
    service.on_loop([&] { service.held().at(0)->reply({{"late", true}}); });
    CHECK(raw.read() == R"({"parameters":{"late":true}})");
    CHECK(raw.read() == R"({"parameters":{}})");
    CHECK(service.told("gone") == 0);
}

TEST_CASE("an exception of a method leaves the loop, and the server works on") {
    TestService service;
    Client client = Client::connect(service.path());
    CHECK(error_of(client, "io.test.Throw") ==
          "org.varlink.service.MethodNotImplemented method=io.test.Throw");
    CHECK(service.wait_for("thrown a bug"));
    CHECK(client.call("io.test.Echo").empty());
}

TEST_CASE("a client that only half-closes gets its answer, one that is gone is noticed") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Hold")));
    raw.half_close();
    REQUIRE(service.wait_for("held"));
    GoodClient good(service);
    CHECK(good.served());
    CHECK(service.on_loop([&] { return service.held().at(0)->open(); }));
    SUBCASE("half-closed") {
        service.on_loop([&] { service.held().at(0)->reply({{"late", true}}); });
        CHECK(raw.read() == R"({"parameters":{"late":true}})");
        CHECK(raw.at_end());
        CHECK(service.told("gone") == 0);
    }
    SUBCASE("gone") {
        raw.close();
        REQUIRE(service.wait_for("gone"));
        service.on_loop([&] {
            CHECK_FALSE(service.held().at(0)->open());
            service.held().at(0)->reply({});
        });
        CHECK(service.told("gone") == 1);
    }
    CHECK(good.served());
    CHECK(service.counts().clients == 1);
    CHECK(service.counts().dropped == 0);
}

TEST_CASE("calls that were sent are carried out, though the client has gone since") {
    TestService service;
    std::string text;
    for (int i = 0; i < 5; ++i) {
        text += call_text("Note", "{}", i % 2 == 0 ? R"(,"oneway":true)" : "");
    }
    {
        RawClient raw(service.path());
        REQUIRE(raw.send(text));
    }
    CHECK(service.wait_for("noted", 5));
}

TEST_CASE("a call outlives its server, and its answer goes nowhere") {
    TestService service;
    RawClient raw(service.path());
    REQUIRE(raw.send(call_text("Hold", "{}", R"(,"more":true)")));
    REQUIRE(service.wait_for("held"));
    service.destroy_server();
    CHECK(raw.at_end());
    service.on_loop([&] {
        const auto call = service.held().at(0);
        CHECK_FALSE(call->open());
        CHECK(call->drained());
        call->reply_continued({});
        call->fail("a.B");
    });
    CHECK(service.told("gone") == 0);
}

TEST_CASE("a method may end the server") {
    TestService service;
    RawClient raw(service.path());
    RawClient other(service.path());
    REQUIRE(raw.send(call_text("Quit") + call_text("Echo")));
    CHECK(service.wait_for("quit"));
    CHECK(raw.at_end());
    CHECK(other.at_end());
}

TEST_CASE("a server may go while the loop has handlers of it, and the loop while a call is held") {
    const Scratch directory;
    const std::string path = directory.path() + "/socket";
    std::shared_ptr<Call> held;
    {
        boost::asio::io_context io;
        Interface interface {
            .name = "io.test", .description = "", .methods = {
                {"Hold",
                 [&](std::shared_ptr<Call> call) {
                     // Whoever holds itself is freed all the same.
                     call->on_gone([call] { FAIL("not gone"); });
                     held = std::move(call);
                 }}
            }
        };
        auto server = std::make_unique<Server>(io, path, 0600, Info{}, std::vector{interface},
                                               Limits{}, [](const Peer&, const std::string&) {});
        RawClient first(path);
        RawClient second(path);
        REQUIRE(first.send(call_text("Hold") + call_text("Hold")));
        REQUIRE(second.send(call_text("None")));
        while (held == nullptr) {
            REQUIRE(io.run_one() == 1);
        }
        held->reply({});
        held->reply_continued({});
        server.reset();
        io.poll();
        CHECK(first.read() == R"({"parameters":{}})");
    }
    CHECK_FALSE(held->open());
    held->reply({});
}
