// shmipcctl top and console, in a terminal of their own.
#include "fake_service.hpp"
#include "fixture.hpp"
#include "process.hpp"
#include "pty.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

using namespace shmipc::test;

namespace {

/// A supervisor that can be ended, and started again.
struct Mortal : Place {
    std::unique_ptr<FakeService> service;

    Mortal() { start(4711); }
    void start(int pid) {
        service.reset();
        service = std::make_unique<FakeService>(socket);
        boost::json::object status = status_json(3);
        status["pid"] = pid;
        service->answer("Status", status);
        service->on("Watch", [](FakeService::Call& call) {
            call.reply_more(watch_json(1'001'000'000,
                                       {worker_json(0), worker_json(1, "failed"), worker_json(2)}));
        });
        service->on("Log", [](FakeService::Call& call) {
            call.reply_more({{"level", "info"},
                             {"event", "message"},
                             {"message", "first line"},
                             {"worker", nullptr},
                             {"lost", 0}});
        });
        service->answer("Toggle", {});
    }
};

}  // namespace

TEST_CASE("top shows the table in windows of all sizes, and q restores the terminal") {
    Mortal demo;
    struct Window {
        unsigned short rows;
        unsigned short columns;
        const char* text;
    };
    for (const Window& window : {Window{24, 80, "failed"}, Window{10, 40, "failed"},
                                 Window{2, 20, "group demo"}, Window{1, 1, "…"}}) {
        CAPTURE(window.rows);
        Pty top(demo.command({"top"}), window.rows, window.columns);
        const termios& before = top.first_modes();
        CHECK(top.wait_for("\x1b[?1049h"));  // the alternate screen, after which the rest comes
        CHECK(top.wait_for(window.text));
        CHECK_FALSE(same_modes(before, top.modes()));
        top.type("q");
        CHECK(top.exit_code() == 0);
        CHECK(same_modes(before, top.modes()));
        CHECK(contains(top.output(), "\x1b[?1049l"));
    }
    const auto call = demo.service->wait_for_call("Watch");
    CHECK(call.at("all") == true);
    CHECK(call.at("interval_usec") == 1'000'000);
}

TEST_CASE("top leaves the terminal as it was at ESC, Ctrl-C, SIGTERM and SIGHUP") {
    Mortal demo;
    for (const std::string how : {"\x1b", "\x03", "TERM", "HUP"}) {
        CAPTURE(how);
        Pty top(demo.command({"top", "--interval", "100ms"}), 24, 80);
        const termios& before = top.first_modes();
        REQUIRE(top.wait_for("failed"));
        if (how == "TERM" || how == "HUP") {
            top.signal(how == "TERM" ? SIGTERM : SIGHUP);
        } else {
            top.type(how);
        }
        CHECK(top.exit_code() == 0);
        CHECK(same_modes(before, top.modes()));
        CHECK(contains(top.output(), "\x1b[?1049l"));
    }
}

TEST_CASE("top follows its window and its group") {
    Mortal demo;
    Pty top(demo.command({"top", "--color", "never"}), 24, 80);
    REQUIRE(top.wait_for("failed"));
    demo.service->wait_for_call("Watch");
    demo.service->push("Watch", watch_json(1'002'000'000, {worker_json(1, "aborting")}));
    CHECK(top.wait_for("aborting"));
    top.resize(10, 40);
    CHECK(top.wait_for("aborting"));  // drawn anew
    top.resize(1, 1);
    top.resize(30, 120);
    CHECK(top.wait_for("last exit"));
    top.type("q");
    CHECK(top.exit_code() == 0);
}

TEST_CASE("top scrolls through more workers than its window has lines") {
    Mortal demo;
    constexpr std::uint32_t kWorkers = 40;
    demo.service->answer("Status", status_json(kWorkers));
    demo.service->on("Watch", [](FakeService::Call& call) {
        std::vector<boost::json::object> workers{worker_json(0, "failed")};
        for (std::uint32_t i = 1; i + 1 < kWorkers; ++i) {
            workers.push_back(worker_json(i));
        }
        workers.push_back(worker_json(kWorkers - 1, "aborting"));
        call.reply_more(watch_json(1'001'000'000, workers));
    });
    Pty top(demo.command({"top"}), 10, 80);
    REQUIRE(top.wait_for("failed"));
    const auto repeat = [](const std::string& key) {
        std::string keys;
        for (std::uint32_t i = 0; i < kWorkers; ++i) {
            keys += key;
        }
        return keys;
    };
    struct Keys {
        std::string there;
        std::string back;
    };
    for (const Keys& keys : {Keys{"\x1bOF", "\x1bOH"},                       // End, Home, of xterm
                             Keys{repeat("\x1bOB"), repeat("\x1bOA")},       // Down, Up
                             Keys{repeat("\x1b[6~"), repeat("\x1b[5~")}}) {  // Page Down, Page Up
        CAPTURE(keys.there);
        top.type(keys.there);
        CHECK(top.wait_for("aborting"));
        top.type(keys.back);
        CHECK(top.wait_for("failed"));
    }
    top.type("q");
    CHECK(top.exit_code() == 0);
}

TEST_CASE("top outlives the supervisor, and finds the next") {
    Mortal demo;
    Pty top(demo.command({"top"}), 24, 120);
    REQUIRE(top.wait_for("4711"));
    REQUIRE(top.wait_for("failed"));
    demo.service.reset();
    CHECK(top.wait_for("no supervisor: "));
    CHECK(top.wait_for("trying again"));
    demo.start(4799);
    CHECK(top.wait_for("4799"));
    top.type("q");
    CHECK(top.exit_code() == 0);
}

TEST_CASE("top outlives a supervisor that goes before its first change is told") {
    Mortal demo;
    demo.service->on("Watch", [](FakeService::Call& call) { call.hang_up(); });
    Pty top(demo.command({"top"}), 24, 100);
    CHECK(top.wait_for("no supervisor: "));
    demo.start(4712);
    CHECK(top.wait_for("4712"));
    top.type("q");
    CHECK(top.exit_code() == 0);
}

TEST_CASE("top that sees no supervisor at the start, no terminal, or a broken answer, says so") {
    Mortal demo;
    Process piped(demo.command({"top"}));
    CHECK(piped.exit_code() == 64);
    CHECK(contains(piped.output(), "use shmipcctl --group demo --runtime-dir " +
                                       demo.directory.path() + " status"));
    {
        demo.service->answer("Status", {{"workers", 5}});
        Pty top(demo.command({"top"}), 24, 80);
        const termios& before = top.first_modes();
        CHECK(top.exit_code() == 1);
        CHECK(same_modes(before, top.modes()));
        CHECK(contains(top.output(), "is not understood"));
    }
    {
        std::vector<std::string> command = demo.command({"top"});
        command.insert(command.begin(), {"/usr/bin/env", "TERM=dumb"});
        Pty top(command, 24, 80);
        const termios& before = top.first_modes();
        CHECK(top.exit_code() == 1);
        CHECK(same_modes(before, top.modes()));
        CHECK(contains(top.output(), "'dumb' cannot move its cursor"));
    }
    {
        std::vector<std::string> command = demo.command({"top"});
        command.insert(command.begin(), {"/usr/bin/env", "TERM=no-such-terminal"});
        Pty top(command, 24, 80);
        CHECK(top.exit_code() == 1);
        CHECK(contains(top.output(), "'no-such-terminal' is not known: set TERM, or use"));
    }
    demo.service.reset();
    Pty top(demo.command({"top"}), 24, 80);
    CHECK(top.exit_code() == 69);
    CHECK(contains(top.output(), "no supervisor runs group 'demo'"));
}

TEST_CASE("the console shows the log, toggles workers, and q leaves") {
    Mortal demo;
    demo.service->on("Toggle", [](FakeService::Call& call) {
        if (call.parameters.at("workers").at(0) == 2) {
            call.fail("io.shmipc.Stopping");
        } else {
            call.reply({});
        }
    });
    Pty console(demo.command({"console"}), 24, 120);
    CHECK(console.wait_for("console of group demo: 0 … 2 and Return"));
    CHECK(console.wait_for("supervisor: first line"));
    demo.service->push("Log", {{"level", "error"}, {"message", "bad\x1b[2J"}, {"lost", 4}});
    CHECK(console.wait_for("4 lines"));
    CHECK(console.wait_for("bad\\x1b[2J"));
    console.type("1\n");
    CHECK(demo.service->wait_for_call("Toggle").at("workers").at(0) == 1);
    console.type("2\n");
    CHECK(console.wait_for("shmipcctl: the supervisor is stopping"));
    console.type("nonsense\n");
    CHECK(console.wait_for("console of group demo"));
    console.type("q\n");
    CHECK(console.exit_code() == 0);
}

TEST_CASE("the console says that the supervisor is gone, and that it is back") {
    Mortal demo;
    Pty console(demo.command({"console"}), 24, 200);
    REQUIRE(console.wait_for("first line"));
    demo.service.reset();
    CHECK(console.wait_for("shmipcctl: lost the supervisor of group 'demo'"));
    console.type("1\n");
    CHECK(console.wait_for("worker 1 was not told"));
    demo.start(4712);
    CHECK(console.wait_for("connected again"));
    CHECK(console.wait_for("first line"));
    console.type("0\n");
    CHECK(demo.service->wait_for_call("Toggle").at("workers").at(0) == 0);
    console.type("\x04");  // end of input
    CHECK(console.exit_code() == 0);
}

TEST_CASE("the console whose input ends while there is no supervisor exits with 69") {
    Mortal demo;
    Pty console(demo.command({"console"}), 24, 200);
    REQUIRE(console.wait_for("first line"));
    demo.service.reset();
    CHECK(console.wait_for("trying again"));
    console.type("\x04");
    CHECK(console.exit_code() == 69);
    Process none(demo.command({"console"}));
    CHECK(none.exit_code() == 69);
}
