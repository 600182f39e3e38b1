// shmipcctl as a user runs it, against a service with canned answers.
#include "fake_service.hpp"
#include "fixture.hpp"
#include "process.hpp"

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc::test;

namespace {

boost::json::value numbers(const char* text) {
    return boost::json::parse(text);
}

}  // namespace

TEST_CASE("status shows the group and its workers, all or some, as a table or as JSON") {
    Demo demo;
    const Run all = demo.run({"status"});
    CHECK(all.exit_code == 0);
    CHECK(contains(all.output, "group demo: 3/3 workers ready, supervisor pid 4711"));
    CHECK(contains(all.output, "4702"));
    CHECK_FALSE(contains(all.output, "\x1b"));
    const Run one = demo.run({"status", "1"});
    CHECK(contains(one.output, "4701"));
    CHECK_FALSE(contains(one.output, "4702"));
    CHECK(contains(demo.run({"--color", "always", "status"}).output, "\x1b[32mrunning"));
    const Run json = demo.run({"status", "--json", "0,2"});
    const auto value = boost::json::parse(json.output).as_object();
    CHECK(value.at("pid") == 4711);
    REQUIRE(value.at("workers").as_array().size() == 2);
    CHECK(value.at("workers").at(1).at("pid") == 4702);
    const Run beyond = demo.run({"status", "3"});
    CHECK(beyond.exit_code == 64);
    CHECK(contains(beyond.output, "shmipcctl: '3' is no worker: expected 0 to 2"));
}

TEST_CASE("orders reach the supervisor with the workers that were named") {
    Demo demo;
    struct Order {
        const char* name;
        const char* method;
        const char* done;
    };
    for (const Order& order : {Order{"start", "Start", "started workers 0, 2\n"},
                               Order{"stop", "Stop", "stopped workers 0, 2\n"},
                               Order{"restart", "Restart", "restarted workers 0, 2\n"}}) {
        CAPTURE(order.name);
        demo.service.answer(order.method, {});
        const Run run = demo.run({order.name, "2,0"});
        CHECK(run.exit_code == 0);
        CHECK(run.output == order.done);
        auto call = demo.service.wait_for_call(order.method, 1);
        CHECK(call.at("workers") == numbers("[0,2]"));
        CHECK(call.at("wait") == true);
        CHECK(demo.run({order.name, "all", "--no-wait"}).exit_code == 0);
        call = demo.service.wait_for_call(order.method, 2);
        CHECK(call.at("workers") == numbers("[0,1,2]"));
        CHECK(call.at("wait") == false);
        CHECK(demo.run({order.name}).exit_code == 64);
    }
}

TEST_CASE("kill sends SIGKILL, or the signal that is named") {
    Demo demo;
    demo.service.answer("Kill", {});
    CHECK(demo.run({"kill", "1"}).output == "sent signal 9 (KILL) to worker 1\n");
    CHECK(demo.service.wait_for_call("Kill").at("signal") == 9);
    CHECK(demo.run({"kill", "0-1", "--signal", "SIGUSR1"}).exit_code == 0);
    CHECK(demo.service.wait_for_call("Kill", 2).at("signal") == 10);
    CHECK(demo.service.wait_for_call("Kill", 2).at("workers") == numbers("[0,1]"));
    const Run wrong = demo.run({"kill", "1", "--signal", "NOPE"});
    CHECK(wrong.exit_code == 64);
    CHECK(contains(wrong.output, "'NOPE' is no signal"));
}

TEST_CASE("autopsy, reload, log-level and metrics print what they are told") {
    Demo demo;
    demo.service.answer(
        "Autopsy",
        boost::json::parse(R"({"deaths":[{"worker":1,"time_usec":1700000000000000,"pid":4711,
            "how":"exited","status":3,"signal":null,"cause":null,"consequence":"restarting at once",
            "uptime_usec":5000,"incarnation":1,"sequence":4,"held":[]}]})")
            .as_object());
    const Run autopsy = demo.run({"autopsy", "1"});
    CHECK(contains(autopsy.output, "worker 1 (pid 4711) exited with status 3 after 5 ms"));
    CHECK(boost::json::parse(demo.run({"autopsy", "all", "--json"}).output)
              .at("deaths")
              .at(0)
              .at("status") == 3);
    demo.service.answer("Reload", {{"applied", {"log.level"}},
                                   {"rolled", boost::json::array{}},
                                   {"needs_restart", boost::json::array{}}});
    CHECK(demo.run({"reload"}).output == "applied: log.level\n");
    CHECK(contains(demo.run({"reload", "--json"}).output, "\"applied\":[\"log.level\"]"));
    demo.service.answer("Reload", {{"applied", {"persist"}}, {"warnings", {"one", "t\x1bwo"}}});
    CHECK(demo.run({"reload"}).output == "applied: persist\nwarning: one\nwarning: t\\x1bwo\n");
    demo.service.answer("LogLevel", {{"level", "debug"}});
    CHECK(demo.run({"log-level"}).output == "debug\n");
    CHECK(demo.service.wait_for_call("LogLevel").empty());
    CHECK(demo.run({"log-level", "debug", "--json"}).output == R"({"level":"debug"})"
                                                               "\n");
    CHECK(demo.service.wait_for_call("LogLevel", 2).at("level") == "debug");
    CHECK(demo.run({"log-level", "loud"}).exit_code == 64);
    demo.service.answer("Metrics", {{"text", "# HELP x\nx 1\n"}});
    CHECK(demo.run({"metrics"}).output == "# HELP x\nx 1\n");
}

TEST_CASE("version tells both, and does without a supervisor") {
    Place nowhere;
    const Run alone = nowhere.run({"version"});
    CHECK(alone.exit_code == 0);
    CHECK(contains(alone.output, "shmipcctl "));
    CHECK(contains(alone.output, "no supervisor runs group 'demo'"));
    CHECK(boost::json::parse(nowhere.run({"version", "--json"}).output).at("supervisor").is_null());
    Demo demo;
    CHECK(contains(demo.run({"version"}).output, "supervisor 9.8.7 (group demo, pid 4711)"));
    CHECK(boost::json::parse(demo.run({"version", "--json"}).output).at("supervisor") == "9.8.7");
}

TEST_CASE("an error of the supervisor is an exit code and a sentence") {
    Demo demo;
    demo.service.on("Start", [](FakeService::Call& call) {
        call.fail("io.shmipc.WorkerFailed", {{"worker", 1}, {"reason", "exited with status 3"}});
    });
    const Run run = demo.run({"start", "1"});
    CHECK(run.exit_code == 1);
    CHECK(contains(run.output, "shmipcctl: worker 1 did not become ready: exited with status 3"));
    CHECK(demo.run({"stop", "1"}).exit_code == 1);  // a method that it does not know
}

TEST_CASE("without a supervisor, with one that dies, and with rubbish, the exit code is 69") {
    Place demo;
    Run run = demo.run({"status"});
    CHECK(run.exit_code == 69);
    CHECK(contains(run.output, "shmipcctl: no supervisor runs group 'demo': " + demo.socket +
                                   " does not exist"));
    {
        FakeService service(demo.socket);
        service.on("Status", [](FakeService::Call& call) { call.hang_up(); });
        run = demo.run({"status"});
        CHECK(run.exit_code == 69);
        CHECK(contains(run.output, "shmipcctl: lost the supervisor of group 'demo'"));
        service.on("Status", [](FakeService::Call& call) {
            call.raw(R"({"parameters":{"gro)");
            call.hang_up();
        });
        CHECK(demo.run({"status"}).exit_code == 69);
        service.on("Status", [](FakeService::Call& call) {
            call.raw(std::string("\x1b[2J no JSON", 12) + '\0');
        });
        run = demo.run({"status"});
        CHECK(run.exit_code == 69);
        CHECK_FALSE(contains(run.output, "\x1b"));
        service.answer("Status", {{"workers", "many"}});
        CHECK(demo.run({"status"}).exit_code == 1);
    }
    // What a killed supervisor leaves: a name at which nobody listens.
    REQUIRE(::mknod(demo.socket.c_str(), S_IFSOCK | 0600, 0) == 0);
    run = demo.run({"status"});
    CHECK(run.exit_code == 69);
    CHECK(contains(run.output, "nobody listens on " + demo.socket));
    CHECK(demo.run({"--socket", "/" + std::string(200, 'x'), "status"}).exit_code == 64);
}

TEST_CASE("a socket that is not for this user is told as such") {
    Place demo;
    FakeService service(demo.socket);
    service.answer("Status", status_json(3));
    REQUIRE(::chmod(demo.socket.c_str(), 0) == 0);
    const Run run = demo.run({"status"});
    if (::geteuid() == 0) {
        // Modes do not count for root; the text is tested with describe_no_connection().
        CHECK(run.exit_code == 0);
    } else {
        CHECK(run.exit_code == 77);
        CHECK(contains(run.output, "run as root"));
    }
}

TEST_CASE("a wrong command line is told what is wrong, and whose help to ask") {
    const Place nowhere;
    struct Wrong {
        std::vector<std::string> arguments;
        const char* text;
        const char* help;
    };
    for (const Wrong& wrong :
         {Wrong{{}, "which command?", "shmipcctl --help"},
          Wrong{{"--json"}, "--json", "shmipcctl --help"},
          Wrong{{"start"}, "WORKERS is required", "shmipcctl start --help"},
          Wrong{{"status", "--jsn"}, "--jsn", "shmipcctl status --help"},
          Wrong{{"status", "\x1b[2J", "2"}, "was not expected: 2", "shmipcctl status --help"},
          Wrong{{"top", "--interval", "5"}, "'5' is no time from 100ms to 1h", "top --help"},
          Wrong{{"log-level", "loud"}, "loud", "shmipcctl log-level --help"}}) {
        const Run run = nowhere.run(wrong.arguments);
        CAPTURE(run.output);
        CHECK(run.exit_code == 64);
        CHECK(contains(run.output, wrong.text));
        CHECK(contains(run.output, wrong.help));
        CHECK_FALSE(contains(run.output, "\x1b"));
    }
}

TEST_CASE("extreme intervals and signals are refused, never wrapped around") {
    const Place nowhere;
    for (const char* const command : {"watch", "top"}) {
        for (const char* const interval :
             {"0", "0s", "99ms", "3600001ms", "-1s", "nan", "inf", "1e308h", "99999999999d",
              "2562048h", "9223372036854775807ns", "18446744073709551617s", "", " 1s"}) {
            const Run run = nowhere.run({command, "--interval", interval});
            CAPTURE(run.output);
            CAPTURE(interval);
            CHECK(run.exit_code == 64);
        }
    }
    for (const char* const signal : {"0", "65", "-1", "4294967305", "18446744073709551625", ""}) {
        const Run run = nowhere.run({"kill", "1", "--signal", signal});
        CAPTURE(run.output);
        CAPTURE(signal);
        CHECK(run.exit_code == 64);
    }
}

TEST_CASE("every command has help that ends in examples and exit codes") {
    for (const char* const command :
         {"status", "start", "stop", "restart", "kill", "peek", "watch", "autopsy", "top",
          "console", "reload", "log-level", "metrics", "clean", "version"}) {
        CAPTURE(command);
        Process help({SHMIPC_CTL, command, "--help"});
        CHECK(help.exit_code() == 0);
        CHECK(contains(help.output(), std::string("shmipcctl ") + command));
        CHECK(contains(help.output(), "Examples:"));
        CHECK(contains(help.output(), "Exit codes:"));
    }
    Process unknown({SHMIPC_CTL, "stats"});
    CHECK(unknown.exit_code() == 64);
    CHECK(contains(unknown.output(), "shmipcctl: 'stats' is no command; did you mean status?"));
    Process wrong({SHMIPC_CTL, "--group", "a/b", "status"});
    CHECK(wrong.exit_code() == 64);
    CHECK(contains(wrong.output(), "shmipcctl: "));
}

TEST_CASE("status --check ends with 2 if a worker that should be ready is not; --failed filters") {
    Demo demo;
    CHECK(demo.run({"status", "--check"}).exit_code == 0);
    CHECK(demo.run({"status", "--failed"}).output == "group demo: no worker has failed\n");
    auto status = status_json(5);
    auto& workers = status.at("workers").as_array();
    const char* const states[] = {"running", "stopped", "starting", "backoff", "failed"};
    for (std::size_t i = 0; i < 5; ++i) {
        workers[i].as_object()["state"] = states[i];
    }
    demo.service.answer("Status", status);
    const Run checked = demo.run({"status", "--check"});
    CHECK(checked.exit_code == 2);
    CHECK(contains(checked.output,
                   "shmipcctl: not all workers are ready: worker 2 is starting, "
                   "worker 3 is backoff, worker 4 is failed"));
    CHECK(contains(checked.output, "4701"));  // the table all the same
    CHECK(demo.run({"status"}).exit_code == 0);
    CHECK(demo.run({"status", "--check", "0,1"}).exit_code == 0);
    CHECK(demo.run({"status", "--check", "--json", "2"}).exit_code == 2);
    const Run failed = demo.run({"status", "--failed"});
    CHECK(failed.exit_code == 0);
    CHECK(contains(failed.output, "4703"));
    CHECK(contains(failed.output, "4704"));
    CHECK_FALSE(contains(failed.output, "4702"));
    const Run json = demo.run({"status", "--failed", "--json"});
    CHECK(boost::json::parse(json.output).at("workers").as_array().size() == 2);
    const Run both = demo.run({"status", "--failed", "--check", "2"});
    CHECK(both.exit_code == 2);  // what is shown is another matter
    CHECK(contains(both.output, "no worker has failed"));
}

TEST_CASE(
    "wait --ready ends when the workers are, with 1 for one that is given up, with 2 in time") {
    Demo demo;
    demo.service.on("Watch", [](FakeService::Call& call) {
        call.reply_more(
            watch_json(1, {worker_json(0), worker_json(1, "starting"), worker_json(2, "stopped")}));
    });
    Process waiting(demo.command({"wait", "--ready"}));
    demo.service.wait_for_call("Watch");
    SUBCASE("ready") {
        demo.service.push("Watch", watch_json(2, {worker_json(1, "backoff")}));
        demo.service.push("Watch", watch_json(3, {worker_json(1)}));
        CHECK(waiting.exit_code() == 0);
        CHECK(contains(waiting.output(), "workers 0-2 are ready"));
    }
    SUBCASE("given up") {
        demo.service.push("Watch", watch_json(2, {worker_json(1, "failed")}));
        CHECK(waiting.exit_code() == 1);
        CHECK(contains(waiting.output(), "worker 1 was given up"));
        CHECK(contains(waiting.output(), "start 1"));
    }
    SUBCASE("too late") {
        const Run late = demo.run({"wait", "--ready", "--timeout", "50ms"});
        CHECK(late.exit_code == 2);
        CHECK(contains(late.output, "not ready after 50 ms: worker 1 is starting. See: "));
        demo.service.push("Watch", watch_json(3, {worker_json(1)}));
        CHECK(waiting.exit_code() == 0);
    }
    SUBCASE("without --ready") {
        CHECK(demo.run({"wait"}).exit_code == 64);
        CHECK(demo.run({"wait", "--ready", "--timeout", "soon"}).exit_code == 64);
        demo.service.push("Watch", watch_json(3, {worker_json(1)}));
        CHECK(waiting.exit_code() == 0);
    }
}

TEST_CASE(
    "wait with a time waits for a supervisor too that is not there yet, without it does not") {
    const Scratch above;
    const std::string directory = above.path() + "/not/there";
    const auto command = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(),
                         {SHMIPC_CTL, "--group", "demo", "--runtime-dir", directory});
        return arguments;
    };
    {
        Process now(command({"wait", "--ready"}));
        CHECK(now.exit_code() == 69);
        Process late(command({"wait", "--ready", "--timeout", "50ms"}));
        CHECK(late.exit_code() == 69);
        CHECK(contains(late.output(), "does not exist"));
    }
    Process waiting(command({"wait", "--ready", "--timeout", "1h"}));
    // Its way comes step by step, at last with a socket that nobody listens on at first.
    REQUIRE(::mkdir((above.path() + "/not").c_str(), 0700) == 0);
    REQUIRE(::mkdir(directory.c_str(), 0700) == 0);
    const auto ready = [](FakeService::Call& call) {
        call.reply_more(watch_json(1, {worker_json(0), worker_json(1)}));
    };
    // As a supervisor does when it listens, for which there is no event.
    const auto tell = [&] { CHECK(::chmod((directory + "/demo.control").c_str(), 0600) == 0); };
    {
        FakeService first(directory + "/demo.control");
        first.answer("Status", status_json(2));
        first.on("Watch", [](FakeService::Call& call) {
            call.reply_more(watch_json(1, {worker_json(0), worker_json(1, "stopping")}));
        });
        tell();
        first.wait_for_call("Watch");
    }  // goes, and another comes
    FakeService second(directory + "/demo.control");
    second.answer("Status", status_json(2));
    second.on("Watch", ready);
    tell();
    CHECK(waiting.exit_code() == 0);
    CHECK(contains(waiting.output(), "workers 0, 1 are ready"));
}

TEST_CASE("an autopsy in parts is one report, and one JSON object") {
    Demo demo;
    const auto death = [](int worker) {
        return boost::json::parse(
                   R"({"worker":)" + std::to_string(worker) +
                   R"(,"time_usec":1700000000000000,"pid":4711,"how":"exited","status":3,
            "signal":null,"cause":null,"consequence":"restarting at once","uptime_usec":5000,
            "incarnation":1,"sequence":4,"held":[{"channel":0,"sequence":7}],"held_left_out":991})")
            .as_object();
    };
    demo.service.on("Autopsy", [&](FakeService::Call& call) {
        call.reply_more({{"deaths", {death(0), death(1)}}, {"left_out", 0}});
        call.reply_more({{"deaths", {death(0)}}, {"left_out", 0}});
        call.reply({{"deaths", boost::json::array{}}, {"left_out", 0}});
    });
    const Run text = demo.run({"autopsy", "all"});
    CHECK(text.exit_code == 0);
    CHECK(contains(text.output, "message 7 of worker 0 and 991 more"));
    CHECK(contains(text.output, "worker 2: no death since the supervisor's start"));
    CHECK_FALSE(contains(text.output, "worker 1: no death"));
    const auto json = boost::json::parse(demo.run({"autopsy", "all", "--json"}).output);
    CHECK(json.at("deaths").as_array().size() == 3);
    CHECK(json.at("deaths").at(1).at("worker") == 1);
    demo.service.answer("Autopsy", {{"deaths", boost::json::array{}}, {"left_out", 0}});
    CHECK(demo.run({"autopsy", "all", "--json"}).output == "{\"deaths\":[]}\n");
}

TEST_CASE("a client too many is told why it is not served, and what to do") {
    Demo demo;
    demo.service.on("Status", [](FakeService::Call& call) {
        call.fail(
            "io.shmipc.control.TooManyClients",
            {{"reason", "there are 16 clients of uid 1000, the most that one user may have"}});
    });
    const Run run = demo.run({"status"});
    CHECK(run.exit_code == 1);
    CHECK(contains(run.output,
                   "the supervisor serves no further client: there are 16 clients of "
                   "uid 1000"));
    CHECK_FALSE(contains(run.output, "another version"));
}
