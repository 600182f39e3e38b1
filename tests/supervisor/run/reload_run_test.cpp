// A configuration that changes under a running group.
#include "control_fixture.hpp"
#include "run_fixture.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
namespace json = boost::json;

namespace {

/// A worker that says which generation of the command it is.
std::string generation(const std::string& name, const std::string& more = "") {
    return script_worker("echo \"$0 is of " + name + "\"; echo >&3; exec sleep 1000") + more;
}

std::vector<std::string> strings(const json::value& array) {
    std::vector<std::string> result;
    for (const json::value& element : array.as_array()) {
        result.emplace_back(element.as_string());
    }
    return result;
}

std::vector<std::int64_t> numbers(const json::value& array) {
    std::vector<std::int64_t> result;
    for (const json::value& element : array.as_array()) {
        result.push_back(element.as_int64());
    }
    return result;
}

}  // namespace

TEST_CASE("a changed command is rolled out one by one, the next when the last is ready") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    rewrite(run, generation("two"));
    auto client = connect(run);
    const json::object answer = client.call("io.shmipc.Reload");
    CHECK(numbers(answer.at("rolled")) == std::vector<std::int64_t>{0, 1, 2});
    CHECK(answer.at("applied").as_array().empty());
    CHECK(answer.at("needs_restart").as_array().empty());
    require_line(supervisor, "configuration reloaded; new command for workers 0-2");
    const std::string& output = supervisor.output();
    std::size_t at = 0;
    for (int i = 0; i < 3; ++i) {
        CAPTURE(output);
        const std::string name = "worker-" + std::to_string(i);
        const std::size_t down = output.find("worker " + std::to_string(i) + " (pid ", at);
        const std::size_t ended = output.find("(restarted by order); starting it again", at);
        const std::size_t up = output.find(name + " is of two", at);
        REQUIRE(up != std::string::npos);
        CHECK(down < up);
        CHECK(ended < up);
        at = up;  // what ends before this one is up would be found too early
        CHECK(occurrences(output.substr(0, up), "starting it again") ==
              static_cast<std::size_t>(i) + 1);
    }
}

TEST_CASE("a file that is wrong changes nothing and says where and why") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    for (const auto& test : std::vector<std::pair<std::string, std::string>>{
             {"workerz = 3\n", "config.toml:1:1: unknown key 'workerz': did you mean 'workers'?"},
             {generation("two") + "stop_grace = 5\n", "'worker.stop_grace' is a whole number"},
             {generation("two") + "start_limit = \"1ms\"\n", "expected 10ms … 1h"},
             {"slots = 3\n", "'slots' is 3: with 3 workers expected 4 … 64"},
             {"[metrics]\nlisten = \"localhost:1\"\n", "'metrics.listen'"},
             {"[worker", "config.toml:1:"}}) {
        const std::string& toml = test.first;
        const std::string& expected = test.second;
        rewrite(run, toml);
        CAPTURE(toml);
        try {
            client.call("io.shmipc.Reload");
            FAIL_CHECK("accepted");
        } catch (const varlink::CallError& error) {
            CHECK(error.error() == "io.shmipc.ConfigInvalid");
            CAPTURE(error.what());
            CHECK(text(error.parameters(), "reason").find(expected) != std::string::npos);
        }
    }
    for (const json::value& worker : status(client)) {
        CHECK(number(worker, "restarts") == 0);
        CHECK(number(worker, "deaths") == 0);
    }
    // And on SIGHUP it is in the log.
    supervisor.signal(SIGHUP);
    require_line(supervisor, "the configuration stays as it was: ");
}

TEST_CASE("whatever takes the place of the file is refused at once, and the group goes on") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    const std::string file = run.directory() + "/config.toml";
    std::string deep;
    for (int i = 0; i < 100'000; ++i) {
        deep += "a.";
    }
    struct Case {
        std::function<void()> make;
        const char* expected;
    };
    const Case cases[] = {
        {[] {}, "cannot be read: No such file or directory"},
        {[&] { REQUIRE(::mkdir(file.c_str(), 0700) == 0); }, "it is a directory"},
        {[&] { REQUIRE(::mkfifo(file.c_str(), 0600) == 0); }, "it is a FIFO"},
        {[&] { REQUIRE(::symlink("/dev/zero", file.c_str()) == 0); }, "it is a device"},
        {[&] { REQUIRE(::symlink("/dev/stdin", file.c_str()) == 0); }, "it is a device"},
        {[&] {
             rewrite(run, "");
             REQUIRE(::truncate(file.c_str(), off_t{1} << 40U) == 0);
         },
         "it is larger than 1 MiB"},
        {[&] { rewrite(run, deep + "a = 1\n"); }, "nests deeper than 32 levels"},
        {[&] { rewrite(run, std::string(100, '\xff')); }, "config.toml:1:"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.expected);
        std::filesystem::remove(file);
        c.make();
        try {
            client.call("io.shmipc.Reload");
            FAIL_CHECK("accepted");
        } catch (const varlink::CallError& error) {
            CHECK(error.error() == "io.shmipc.ConfigInvalid");
            CHECK(text(error.parameters(), "reason").find(c.expected) != std::string::npos);
        }
        CHECK(status(client).size() == 3);
    }
    std::filesystem::remove(file);
    rewrite(run, generation("two"));
    CHECK(client.call("io.shmipc.Reload").at("rolled").as_array().size() == 3);
}

// AddressSanitizer's allocator ends a program for which there is no memory.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kOutlivesWant = false;
#else
constexpr bool kOutlivesWant = true;
#endif

TEST_CASE("a reload for which there is no memory is refused, and the next one works" *
          doctest::skip(!kOutlivesWant)) {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    // Less than the supervisor has: it gets no page more, for a file that takes some.
    rlimit before{};
    rlimit none{};
    REQUIRE(::prlimit(supervisor.pid(), RLIMIT_AS, nullptr, &before) == 0);
    none.rlim_cur = 1 << 20U;
    none.rlim_max = before.rlim_max;
    std::string toml = "[worker]\nenvironment = { A = \"\"";
    while (toml.size() < 1'000'000) {
        toml += ", A" + std::to_string(toml.size()) + " = \"some value\"";
    }
    toml += " }\n";
    rewrite(run, toml);
    REQUIRE(::prlimit(supervisor.pid(), RLIMIT_AS, &none, nullptr) == 0);
    try {
        client.call("io.shmipc.Reload");
        FAIL_CHECK("accepted");
    } catch (const varlink::CallError& error) {
        CHECK(error.error() == "io.shmipc.ConfigInvalid");
        CHECK(text(error.parameters(), "reason").find("not enough memory") != std::string::npos);
    }
    REQUIRE(::prlimit(supervisor.pid(), RLIMIT_AS, &before, nullptr) == 0);
    CHECK(status(client).size() == 3);
    rewrite(run, generation("two"));
    CHECK(client.call("io.shmipc.Reload").at("rolled").as_array().size() == 3);
}

TEST_CASE("a reload warns of what the next start could not do, and of what was hardly meant") {
    const SupervisorRun run;
    Process supervisor = run.start("persist = true\n" + generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    rewrite(run, "persist = true\nworkers = 4\n" + generation("one") +
                     "[metrics]\nlisten = \"192.0.2.1:9464\"\n");
    const json::object answer = client.call("io.shmipc.Reload");
    CHECK(strings(answer.at("applied")) == std::vector<std::string>{"metrics.listen"});
    CHECK(strings(answer.at("needs_restart")) == std::vector<std::string>{"workers"});
    const auto warnings = strings(answer.at("warnings"));
    REQUIRE(warnings.size() == 2);
    CHECK(warnings[0].find("they have workers = 3, and the configuration says 4") !=
          std::string::npos);
    CHECK(warnings[1].find("cannot listen for metrics at '192.0.2.1:9464'") != std::string::npos);
    require_line(supervisor, "with persist = true group '" + run.group() + "' cannot be started");
    // Taken back.
    rewrite(run, generation("one"));
    CHECK(strings(client.call("io.shmipc.Reload").at("warnings")).empty());
}

TEST_CASE("what can change live does, what needs a restart is named and stays") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    rewrite(run, "workers = 4\n" + generation("one", "stop_grace = \"1s\"\n") +
                     "[restart]\nmax_restarts = 1\n[log]\nlevel = \"debug\"\n");
    const json::object answer = client.call("io.shmipc.Reload");
    CHECK(strings(answer.at("applied")) ==
          std::vector<std::string>{"worker.stop_grace", "restart.max_restarts", "log.level"});
    CHECK(strings(answer.at("needs_restart")) == std::vector<std::string>{"workers"});
    CHECK(answer.at("rolled").as_array().empty());
    CHECK(status(client).size() == 3);
    CHECK(text(client.call("io.shmipc.LogLevel"), "level") == "debug");
    // The new limit of restarts holds: the second death is the last.
    client.call("io.shmipc.Kill", {{"workers", json::array{1}}});
    require_line(supervisor, "restarting at once");
    require_started(supervisor, 1);
    require_line(supervisor, "worker 1: ready, now running");
    client.call("io.shmipc.Kill", {{"workers", json::array{1}}});
    require_line(supervisor, "worker 1 failed: 1 restarts within 1m were not enough");
}

TEST_CASE("a roll-out that fails stops, says where, and those after it keep what they had") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    const std::int64_t untouched = number(status(client)[2], "pid");
    rewrite(run, script_worker("echo \"$0 is of two\"; [ $0 = worker-1 ] && exit 3; echo >&3; "
                               "exec sleep 1000") +
                     "[restart]\ninitial = \"1h\"\nmaximum = \"1h\"\n");
    try {
        client.call("io.shmipc.Reload");
        FAIL_CHECK("accepted");
    } catch (const varlink::CallError& error) {
        CHECK(error.error() == "io.shmipc.RolloutFailed");
        CHECK(number(error.parameters(), "worker") == 1);
        CHECK(text(error.parameters(), "reason").find("exited with status 3") != std::string::npos);
        CHECK(numbers(error.parameters().at("rolled")) == std::vector<std::int64_t>{0});
    }
    require_line(supervisor, "the roll-out stopped at worker 1");
    CHECK(number(status(client)[2], "pid") == untouched);
    // Worker 2 keeps its command, also when it dies.
    client.call("io.shmipc.Kill", {{"workers", json::array{2}}});
    require_line(supervisor, "worker-2 is of one");
    // A mended file goes on where the roll-out stopped.
    rewrite(run, generation("three"));
    CHECK(numbers(client.call("io.shmipc.Reload").at("rolled")) ==
          std::vector<std::int64_t>{0, 1, 2});
    require_line(supervisor, "worker-2 is of three");
}

TEST_CASE("a program that cannot be executed is refused before anybody is stopped for it") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    const json::array before = status(client);
    const std::string script = run.directory() + "/script";
    std::ofstream(script) << "#!/usr/bin/nope -x\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    const std::string plain = run.directory() + "/plain";
    std::ofstream(plain) << "#!/bin/sh\n";
    std::filesystem::permissions(plain, std::filesystem::perms::owner_read);
    const std::string empty = run.directory() + "/empty";
    std::ofstream(empty) << "";
    std::filesystem::permissions(empty, std::filesystem::perms::owner_all);
    for (const auto& test : std::map<std::string, std::string>{
             {"/nonexistent/worker", ": No such file or directory"},
             {"no-such-worker", ": no such executable beside the supervisor"},
             {"/etc", ": Is a directory"},
             {"/dev/null", ": it is no regular file"},
             {"/etc/passwd/worker", ": Not a directory"},
             {plain, ": Permission denied"},
             {empty, ": it is empty"},
             {script, ": its interpreter /usr/bin/nope cannot be executed: No such file"}}) {
        const std::string& program = test.first;
        const std::string& reason = test.second;
        CAPTURE(program);
        rewrite(run, generation("one") + "[worker.1]\ncommand = [\"" + program + "\"]\n" +
                         "stop_grace = \"1s\"\n");
        try {
            client.call("io.shmipc.Reload");
            FAIL_CHECK("accepted");
        } catch (const varlink::CallError& error) {
            CHECK(error.error() == "io.shmipc.ConfigInvalid");
            const std::string told = text(error.parameters(), "reason");
            CAPTURE(told);
            CHECK(told.find("the new command of worker 1 cannot be executed: " + program +
                            reason) != std::string::npos);
            CHECK(told.find("shmipcctl --group " + run.group() + " reload") != std::string::npos);
        }
    }
    const json::array after = status(client);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(number(after.at(i), "pid") == number(before.at(i), "pid"));
    }
}

TEST_CASE("a worker that fails with a new command goes back to its old one") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    const std::int64_t untouched = number(status(client)[1], "pid");
    rewrite(run, script_worker("exit 3"));
    for (int i = 0; i < 2; ++i) {
        try {
            client.call("io.shmipc.Reload");
            FAIL_CHECK("accepted");
        } catch (const varlink::CallError& error) {
            CHECK(error.error() == "io.shmipc.RolloutFailed");
            CHECK(number(error.parameters(), "worker") == 0);
            CHECK(error.parameters().at("rolled_back").as_bool());
            CHECK(text(error.parameters(), "reason").find("exited with status 3") !=
                  std::string::npos);
        }
        require_line(supervisor,
                     "stopped at worker 0, which exited with status 3: it has its old "
                     "command again");
        const json::array workers = status(client);
        CHECK(text(workers[0], "state") == "running");
        CHECK(number(workers[1], "pid") == untouched);
    }
    CHECK(occurrences(supervisor.output(), "worker-0 is of one") == 3);
    rewrite(run, generation("two"));
    CHECK(numbers(client.call("io.shmipc.Reload").at("rolled")) ==
          std::vector<std::int64_t>{0, 1, 2});
}

TEST_CASE("a roll-out that failed takes down nobody else when it is tried again unmended") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    rewrite(run, script_worker("exit 3") +
                     "[restart]\nrollback = false\nmax_restarts = 1\ninitial = \"1ms\"\n");
    for (int i = 0; i < 3; ++i) {
        try {
            client.call("io.shmipc.Reload");
            FAIL_CHECK("accepted");
        } catch (const varlink::CallError& error) {
            CHECK(error.error() == "io.shmipc.RolloutFailed");
            CHECK(number(error.parameters(), "worker") == 0);
            CHECK_FALSE(error.parameters().at("rolled_back").as_bool());
            CHECK(text(error.parameters(), "reason").find("exited with status 3") !=
                  std::string::npos);
        }
        const auto workers = status(client);
        CHECK(text(workers[0], "state") != "running");
        CHECK(text(workers[1], "state") == "running");
        CHECK(text(workers[2], "state") == "running");
    }
    rewrite(run, generation("two"));
    CHECK(numbers(client.call("io.shmipc.Reload").at("rolled")) ==
          std::vector<std::int64_t>{0, 1, 2});
}

TEST_CASE("a worker that is stopped gets its new command when it is started") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    client.call("io.shmipc.Stop", {{"workers", json::array{1}}});
    rewrite(run, generation("two"));
    CHECK(numbers(client.call("io.shmipc.Reload").at("rolled")) ==
          std::vector<std::int64_t>{0, 1, 2});
    CHECK(text(status(client)[1], "state") == "stopped");
    client.call("io.shmipc.Start", {{"workers", json::array{1}}});
    require_line(supervisor, "worker-1 is of two");
}

TEST_CASE("one reload at a time") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    rewrite(run, script_worker("exec sleep 1000") + "start_limit = \"1h\"\n");  // never ready
    auto first = connect(run);
    first.call_more("io.shmipc.Reload");
    require_line(supervisor, "starting it again");
    auto second = connect(run);
    CHECK(error_of(second, "io.shmipc.Reload") == "ReloadInProgress");
    // The operator gives up on it: the worker is passed over, and so are the others.
    second.call("io.shmipc.Stop", {{"workers", json::array{0}}});
    require_line(supervisor, "worker 1 (pid ");
    second.call("io.shmipc.Stop", {{"workers", json::array{1}}});
    second.call("io.shmipc.Stop", {{"workers", json::array{2}}});
    const auto reply = first.receive(kPatience);
    REQUIRE(reply);
    CHECK(numbers(reply->parameters.at("rolled")) == std::vector<std::int64_t>{0, 1, 2});
}

TEST_CASE("a SIGHUP that comes during a roll-out is obeyed when that has ended") {
    const SupervisorRun run;
    Process supervisor = run.start(generation("one"));
    require_line(supervisor, "3/3 workers ready");
    rewrite(run, script_worker("echo \"$0 is of two\"; sleep 0.3; echo >&3; exec sleep 1000"));
    supervisor.signal(SIGHUP);
    require_line(supervisor, "worker-0 is of two");
    rewrite(run, generation("three"));
    supervisor.signal(SIGHUP);
    require_line(supervisor, "configuration reloaded; new command for workers 0-2");
    require_line(supervisor, "worker-2 is of three");
    require_line(supervisor, "configuration reloaded; new command for workers 0-2");
}

TEST_CASE("a group of different programs: each worker has its own command and environment") {
    const SupervisorRun run;
    Process supervisor = run.start(
        "[worker]\ncommand = [\"/bin/sh\", \"-c\", 'echo \"common $MODE\"; echo >&3; "
        "exec sleep 1000']\nenvironment = { MODE = \"plain\" }\n"
        "[worker.1]\ncommand = [\"/bin/sh\", \"-c\", 'echo \"special $MODE\"; echo >&3; "
        "exec sleep 1000']\n[worker.2]\nenvironment = { MODE = \"own\" }\n");
    require_line(supervisor, "3/3 workers ready");
    CHECK(occurrences(supervisor.output(), "common plain") == 1);
    CHECK(occurrences(supervisor.output(), "special plain") == 1);
    CHECK(occurrences(supervisor.output(), "common own") == 1);
}
