// shmipcctl as a user runs it, against a service with canned answers.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include "fake_service.hpp"
#include "fixture.hpp"
#include "process.hpp"

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
