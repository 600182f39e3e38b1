// shmipcctl watch and peek: messages, as a user sees them.
#include "fake_service.hpp"
#include "fixture.hpp"
#include "process.hpp"
#include <shmipc/worker.hpp>

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <string>

using shmipc::WorkerIndex;
using namespace shmipc::test;

TEST_CASE("watch shows messages, changes of state, and says why it ends") {
    const TestGroup group;
    auto worker = shmipc::Worker::attach({.name = group.name(), .workers = 2, .capacity = 64},
                                         WorkerIndex{1});
    auto producer = worker.producer();
    const auto publish = [&](const std::string& text) {
        REQUIRE(producer.publish(std::as_bytes(std::span(text))) == shmipc::Errc::kOk);
    };
    publish("hello");
    Place demo;
    auto service = std::make_unique<FakeService>(demo.socket);
    boost::json::object status = status_json(2);
    status["group"] = group.name();
    service->answer("Status", status);
    service->on("Watch", [](FakeService::Call& call) {
        call.reply_more(
            watch_json(1, {worker_json(0, "running", 0), worker_json(1, "running", 1)}));
    });
    SUBCASE("for people") {
        Process watch(demo.command({"watch"}));
        CHECK(watch.wait_for_line("worker 1: message 1, 5 bytes: 68 65 6c 6c 6f"));
        service->wait_for_call("Watch");
        service->push("Watch", watch_json(2, {worker_json(1, "backoff", 1)}));
        CHECK(watch.wait_for_line("worker 1: running -> backoff (killed by signal 9 (KILL))"));
        publish("again");
        service->push("Watch", watch_json(3, {worker_json(1, "running", 2)}));
        CHECK(watch.wait_for_line("worker 1: message 2, 5 bytes: 61 67"));
        CHECK(watch.wait_for_line("worker 1: backoff -> running"));
        service.reset();
        CHECK(watch.wait_for_line("lost the supervisor"));
        CHECK(watch.exit_code() == 69);
        CHECK_FALSE(contains(watch.output(), "worker 0"));
    }
    SUBCASE("for programs") {
        Process watch(demo.command({"watch", "--json", "1", "--interval", "250ms"}));
        const auto message = watch.wait_for_line("sequence");
        REQUIRE(message);
        const auto value = boost::json::parse(*message);
        CHECK(value.at("worker") == 1);
        CHECK(value.at("bytes") == "68656c6c6f");
        CHECK(value.at("payload") == "bytes");
        const auto call = service->wait_for_call("Watch");
        CHECK(call.at("workers") == boost::json::parse("[1]"));
        CHECK(call.at("interval_usec") == 250'000);
        service->push("Watch", watch_json(2, {worker_json(1, "failed", 1)}));
        const auto state = watch.wait_for_line("state");
        REQUIRE(state);
        CHECK(boost::json::parse(*state).at("state") == "failed");
        CHECK(boost::json::parse(*state).at("from") == "running");
    }
}

TEST_CASE("watch shows sequence numbers where it cannot read the messages, and says so once") {
    Demo demo;  // group "demo" of the test has no objects
    boost::json::object status = status_json(3);
    const TestGroup none;
    status["group"] = none.name();
    demo.service.answer("Status", status);
    demo.service.on("Watch", [](FakeService::Call& call) {
        call.reply_more(watch_json(1, {worker_json(0, "running", 7)}));
        call.reply_more(watch_json(2, {worker_json(0, "running", 8)}));
    });
    Process watch(demo.command({"watch"}));
    CHECK(watch.wait_for_line("shmipcctl: only sequence numbers are shown"));
    CHECK(watch.wait_for_line("worker 0: message 7"));
    CHECK(watch.wait_for_line("worker 0: message 8"));
    CHECK(watch.output().find("only") == watch.output().rfind("only"));
}

TEST_CASE("watch ends quietly when nobody reads what it prints") {
    Demo demo;
    demo.service.on("Watch", [](FakeService::Call& call) {
        call.reply_more(watch_json(1, {worker_json(0, "failed", 0), worker_json(1, "failed", 0)}));
    });
    // In one piece: of a sum of literals GCC 12 says falsely that it writes beyond them.
    const std::string line =
        SHMIPC_CTL " --group demo --runtime-dir " + demo.directory.path() + " watch 2>/dev/null";
    Process shell({"/bin/bash", "-c", line + " | head -1; echo status ${PIPESTATUS[0]}"});
    CHECK(shell.exit_code() == 0);
    CHECK(shell.output() == "worker 0: failed (killed by signal 9 (KILL))\nstatus 0\n");
}

TEST_CASE("peek prints JSON without a supervisor") {
    const TestGroup group;
    auto worker = shmipc::Worker::attach({.name = group.name(), .workers = 2, .capacity = 64},
                                         WorkerIndex{0});
    auto producer = worker.producer();
    const std::string text = "\x01\xff";
    REQUIRE(producer.publish(std::as_bytes(std::span(text))) == shmipc::Errc::kOk);
    Process peek({SHMIPC_CTL, "--group", group.name(), "peek", "all", "--json"});
    CHECK(peek.exit_code() == 0);
    const std::string& output = peek.output();
    const std::size_t end = output.find('\n');
    REQUIRE(end != std::string::npos);
    const auto first = boost::json::parse(output.substr(0, end));
    CHECK(first.at("bytes") == "01ff");
    CHECK(first.at("sequence") == 1);
    CHECK(boost::json::parse(output.substr(end + 1)).at("error") ==
          "nothing has been published yet");
}
