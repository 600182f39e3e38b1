// The control socket of a running supervisor: orders, what they leave, who is told.
#include "control_fixture.hpp"
#include "run_fixture.hpp"
#include <shmipc/group.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
namespace json = boost::json;

namespace {

std::string state_of(varlink::Client& client, std::size_t worker) {
    return text(status(client)[worker], "state");
}

/// A port of the loopback address that nobody listens on now.
std::uint16_t free_port() {
    boost::asio::io_context io;
    const boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
    return acceptor.local_endpoint().port();
}

/// What GET /metrics answers; nothing if nobody listens.
std::string scrape(std::uint16_t port) {
    boost::asio::ip::tcp::iostream stream(boost::asio::ip::address_v4::loopback().to_string(),
                                          std::to_string(port));
    stream << "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" << std::flush;
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// How a call of user `uid`, who is in no group but `group`, ends: "" for an answer, else the short
/// name of the error, or "refused" if there is no connection.
std::string outcome_as(uid_t uid, gid_t group, const std::string& path, const std::string& method,
                       const json::object& parameters = {}) {
    int told[2];
    REQUIRE(::pipe(told) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string outcome = "no such user";
        if (::setgroups(1, &group) == 0 && ::setgid(group) == 0 && ::setuid(uid) == 0) {
            try {
                auto client = varlink::Client::connect(path);
                outcome = error_of(client, "io.shmipc." + method, parameters);
            } catch (const varlink::ConnectionError&) {
                outcome = "refused";
            }
        }
        static_cast<void>(::write(told[1], outcome.data(), outcome.size()) >= 0);
        ::_exit(0);
    }
    ::close(told[1]);
    std::string outcome;
    char byte = 0;
    while (::read(told[0], &byte, 1) == 1) {
        outcome += byte;
    }
    ::close(told[0]);
    ::waitpid(child, nullptr, 0);
    return outcome;
}

}  // namespace

TEST_CASE("status tells of every worker what it is doing") {
    const SupervisorRun run;
    Process supervisor = run.start(stock_worker());
    const pid_t pid = require_started(supervisor, 1);
    require_line(supervisor, "3/3 workers ready");
    require_line(supervisor, "2: read info from 1: ");
    auto client = connect(run);
    const json::object answer = client.call("io.shmipc.Status");
    CHECK(text(answer, "group") == run.group());
    CHECK(number(answer, "pid") == supervisor.pid());
    CHECK(number(answer, "ready") == 3);
    CHECK(text(answer, "phase") == "running");
    CHECK(text(answer, "config_file") == run.directory() + "/config.toml");
    const json::array workers = answer.at("workers").as_array();
    REQUIRE(workers.size() == 3);
    CHECK(number(workers[1], "index") == 1);
    CHECK(number(workers[1], "pid") == pid);
    CHECK(text(workers[1], "state") == "running");
    CHECK(number(workers[1], "incarnation") == 1);
    CHECK(number(workers[1], "written") > 0);
    CHECK(number(workers[2], "read") > 0);
    CHECK(number(workers[1], "message_age_usec") >= 0);
    CHECK(number(workers[1], "heartbeat_age_usec") >= 0);
    CHECK(workers[1].at("last_exit").is_null());
    CHECK(workers[1].at("backoff_usec").is_null());
}

TEST_CASE("stop, start and restart answer when they are carried out") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    const std::int64_t before = number(status(client)[2], "pid");
    client.call("io.shmipc.Stop", worker_list({0, 2}));
    CHECK(state_of(client, 0) == "stopped");
    CHECK(state_of(client, 1) == "running");
    CHECK(state_of(client, 2) == "stopped");
    CHECK(status(client)[2].at("pid").is_null());
    client.call("io.shmipc.Start", worker_list({2}));
    CHECK(state_of(client, 2) == "running");
    const std::int64_t started = number(status(client)[2], "pid");
    CHECK(started != before);
    client.call("io.shmipc.Start", worker_list({2}));  // asks for nothing
    CHECK(number(status(client)[2], "pid") == started);
    client.call("io.shmipc.Restart");
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(state_of(client, i) == "running");  // also the one that was stopped
    }
    CHECK(number(status(client)[2], "pid") != started);
    CHECK(supervisor.wait_for_line("restart all workers, ordered by uid " +
                                   std::to_string(::getuid()) + " (pid " +
                                   std::to_string(::getpid()) + ")"));
}

TEST_CASE("orders that make no sense are refused by name, and nothing happens") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    for (const char* const method : {"io.shmipc.Stop", "io.shmipc.Start", "io.shmipc.Restart",
                                     "io.shmipc.Kill", "io.shmipc.Toggle", "io.shmipc.Autopsy"}) {
        CAPTURE(method);
        CHECK(error_of(client, method, worker_list({1, 3})) == "NoSuchWorker");
        CHECK(error_of(client, method, worker_list({-1})) == "NoSuchWorker");
        CHECK(error_of(client, method, {{"workers", "all"}}) == "InvalidParameter");
        CHECK(error_of(client, method, {{"workerz", json::array{1}}}) == "InvalidParameter");
    }
    for (const int signal : {0, -1, 32, 33, 65, 1'000'000}) {
        CHECK(error_of(client, "io.shmipc.Kill", {{"signal", signal}}) == "NoSuchSignal");
    }
    CHECK(error_of(client, "io.shmipc.LogLevel", {{"level", "loud"}}) == "InvalidParameter");
    CHECK(error_of(client, "io.shmipc.Watch") == "ExpectedMore");
    CHECK(error_of(client, "io.shmipc.Log") == "ExpectedMore");
    CHECK(error_of(client, "io.shmipc.Nothing") == "MethodNotFound");
    for (const json::value& worker : status(client)) {
        CHECK(text(worker, "state") == "running");
        CHECK(number(worker, "deaths") == 0);
    }
    client.call("io.shmipc.Stop", worker_list({1}));
    const std::int64_t pid = number(status(client)[0], "pid");
    CHECK(error_of(client, "io.shmipc.Kill") == "NotRunning");  // worker 1: nobody is signalled
    CHECK(number(status(client)[0], "pid") == pid);
}

TEST_CASE("clients that send nonsense are dropped, told once, and in nobody's way") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    for (int i = 0; i < 3; ++i) {
        boost::asio::io_context io;
        boost::asio::local::stream_protocol::socket nonsense(io);
        nonsense.connect(control_path(run));
        boost::asio::write(nonsense, boost::asio::buffer(std::string_view("nonsense\0", 9)));
        std::string answer;
        boost::system::error_code end;
        boost::asio::read(nonsense, boost::asio::dynamic_buffer(answer), end);
        CHECK(end == boost::asio::error::eof);
    }
    require_line(supervisor, "control socket: a client (uid " + std::to_string(::getuid()) +
                                 ", pid " + std::to_string(::getpid()) + ") was dropped: ");
    CHECK(status(client).size() == 3);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(occurrences(supervisor.output(), "was dropped: ") == 1);
}

TEST_CASE("a killed worker is back, and its autopsy says who and how") {
    const SupervisorRun run;
    Process supervisor = run.start(stock_worker());
    const pid_t pid = require_started(supervisor, 1);
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    client.call("io.shmipc.Kill", worker_list({1}));
    CHECK(require_started(supervisor, 1) != pid);
    const json::array deaths =
        client.call("io.shmipc.Autopsy", worker_list({1})).at("deaths").as_array();
    REQUIRE(deaths.size() == 1);
    CHECK(number(deaths[0], "worker") == 1);
    CHECK(number(deaths[0], "pid") == pid);
    CHECK(text(deaths[0], "how") == "killed");
    CHECK(text(deaths[0], "signal") == "KILL");
    CHECK(number(deaths[0], "status") == SIGKILL);
    CHECK(text(deaths[0], "cause") == "sent by order");
    CHECK(text(deaths[0], "consequence") == "restarting at once");
    CHECK(number(deaths[0], "incarnation") == 1);
    CHECK(number(deaths[0], "uptime_usec") > 0);
    CHECK(number(deaths[0], "time_usec") > 1'700'000'000'000'000);
    CHECK(client.call("io.shmipc.Autopsy", worker_list({0})).at("deaths").as_array().empty());
}

TEST_CASE("only the last twenty deaths are kept") {
    const SupervisorRun run;
    // Worker 0 lives: a supervisor with nobody left would end.
    Process supervisor =
        run.start("workers = 2\n" + script_worker(kGood) +
                  "[worker.1]\ncommand = [\"/bin/sh\", \"-c\", "
                  "\"echo >&3; exit 7\"]\n[restart]\nmax_restarts = 30\ninitial = \"1ms\"\n"
                  "maximum = \"1ms\"\n");
    require_line(supervisor, "worker 1 failed");
    auto client = connect(run);
    const json::array deaths =
        client.call("io.shmipc.Autopsy", worker_list({1})).at("deaths").as_array();
    CHECK(deaths.size() == 20);
    CHECK(number(status(client)[1], "deaths") == 31);
    CHECK(text(deaths.back(), "consequence") == "it is given up");
    CHECK(text(deaths.back(), "how") == "exited");
    CHECK(number(deaths.back(), "status") == 7);
}

TEST_CASE("whoever waits for a start is told when the worker fails, or is stopped by another") {
    const SupervisorRun run;
    const std::string mark = run.directory() + "/broken";
    Process supervisor = run.start(script_worker("[ -e " + mark + " ] && exit 3; " + kGood) +
                                   "[worker.2]\ncommand = [\"/bin/sh\", \"-c\", \"[ -e " + mark +
                                   " ] || echo >&3; exec sleep 1000\"]\n");
    require_line(supervisor, "3/3 workers ready");
    std::ofstream(mark) << "x";
    auto client = connect(run);
    CHECK(error_of(client, "io.shmipc.Restart", worker_list({1})) == "WorkerFailed");
    client.call_more("io.shmipc.Restart", worker_list({2}));  // will never be ready
    require_line(supervisor, "restart worker 2");
    auto other = connect(run);
    other.call("io.shmipc.Stop", worker_list({2}));
    CHECK_THROWS_WITH_AS(static_cast<void>(client.receive(kPatience)),
                         doctest::Contains("Overridden"), varlink::CallError);
}

TEST_CASE("an operator's stop lasts over a reload and the supervisor's death, until a start") {
    const SupervisorRun run;
    const std::string stopped = run.directory() + "/" + run.group() + ".stopped";
    {
        Process first = run.start(stock_worker());
        require_line(first, "3/3 workers ready");
        auto client = connect(run);
        client.call("io.shmipc.Stop", worker_list({1}));
        client.call("io.shmipc.Reload");
        CHECK(state_of(client, 1) == "stopped");
        first.signal(SIGKILL);
        first.wait();
    }
    {
        Process second = run.start(stock_worker());
        require_line(second, "worker 1 stays down: it was stopped by order");
        require_line(second, "2/3 workers ready; stopped by order: worker 1");
        auto client = connect(run);
        CHECK(state_of(client, 1) == "stopped");
        client.call("io.shmipc.Start", worker_list({1}));
        second.signal(SIGKILL);
        second.wait();
    }
    {
        Process third = run.start(stock_worker());
        require_line(third, "3/3 workers ready");
        auto client = connect(run);
        client.call("io.shmipc.Stop", worker_list({0}));
        CHECK(::access(stopped.c_str(), F_OK) == 0);
        third.signal(SIGTERM);
        CHECK(third.exit_code() == 0);
    }
    CHECK(::access(stopped.c_str(), F_OK) != 0);  // an orderly end is the end of it
    CHECK(::access(control_path(run).c_str(), F_OK) != 0);
}

TEST_CASE("a stopped worker that dies on the way down is not restarted") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker("trap 'exit 9' TERM; echo >&3; "
                                "while :; do sleep 0.01; done"));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    client.call("io.shmipc.Stop", worker_list({1}));
    CHECK(state_of(client, 1) == "stopped");
    const json::array deaths =
        client.call("io.shmipc.Autopsy", worker_list({1})).at("deaths").as_array();
    REQUIRE(deaths.size() == 1);
    CHECK(text(deaths[0], "cause") == "stopped by order");
    CHECK(text(deaths[0], "consequence") == "it stays down");
}

TEST_CASE("what is ordered is neither a death nor a restart") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    client.call("io.shmipc.Restart");
    client.call("io.shmipc.Stop", worker_list({2}));
    client.call("io.shmipc.Start", worker_list({2}));
    const auto check = [&](std::size_t worker, std::int64_t restarts, std::int64_t ordered) {
        CAPTURE(worker);
        const json::array workers = status(client);
        CHECK(number(workers[worker], "restarts") == restarts);
        CHECK(number(workers[worker], "deaths") == restarts);
        CHECK(number(workers[worker], "ordered_restarts") == ordered);
        CHECK(number(workers[worker], "ordered_ends") == ordered);
    };
    check(0, 0, 1);
    check(2, 0, 2);
    const json::object autopsy = client.call("io.shmipc.Autopsy");
    for (const json::value& end : autopsy.at("deaths").as_array()) {
        CHECK(end.at("ordered").as_bool());
    }
    const std::string metrics = text(client.call("io.shmipc.Metrics"), "text");
    const std::string worker = "{group=\"" + run.group() + R"(",worker="2")";
    for (const std::string& line : {"shmipc_worker_restarts_total" + worker + "} 0\n",
                                    "shmipc_worker_deaths_total" + worker + ",how=\"exited\"} 0\n",
                                    "shmipc_worker_ordered_restarts_total" + worker + "} 2\n",
                                    "shmipc_worker_ordered_ends_total" + worker + "} 2\n"}) {
        CAPTURE(line);
        CHECK(metrics.find(line) != std::string::npos);
    }
    // A signal is no order to end: what dies of it is restarted like any other.
    client.call("io.shmipc.Kill", worker_list({0}));
    require_line(supervisor, "the group is whole again: 3/3 workers ready");
    check(0, 1, 1);
}

TEST_CASE(
    "ready again, degraded and whole are told of any worker, also of one without the library") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood), {"--log-format", "json"});
    require_line(supervisor, "\"supervisor_ready\"");
    auto client = connect(run);
    client.call("io.shmipc.Kill", worker_list({1}));
    const std::string degraded = require_line(supervisor, "\"group_degraded\"");
    CHECK(degraded.find("2/3 workers ready: worker 1 died: was killed by signal 9 (KILL)") !=
          std::string::npos);
    const std::string again = require_line(supervisor, "\"worker_ready_again\"");
    CHECK(again.find("\"SHMIPC_WORKER\":1") != std::string::npos);
    require_line(supervisor, "\"group_whole\"");
    // By order nothing is degraded, and what is ready again says so.
    client.call("io.shmipc.Restart", worker_list({2}));
    require_line(supervisor, "\"worker_ready_again\"");
    CHECK(occurrences(supervisor.output(), "\"group_degraded\"") == 1);
}

TEST_CASE("a slow worker holds up the stop of nobody else") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker(kGood) +
                  "stop_grace = \"1h\"\n[worker.0]\ncommand = [\"/bin/sh\", "
                  "\"-c\", \"trap '' TERM; echo >&3; while :; do sleep 0.01; done\"]\n");
    require_line(supervisor, "3/3 workers ready");
    auto slow = connect(run);
    slow.call_more("io.shmipc.Stop", worker_list({0}));
    require_line(supervisor, "stop worker 0");
    auto client = connect(run);
    client.call("io.shmipc.Stop", worker_list({1, 2}));
    CHECK(state_of(client, 0) == "stopping");
    CHECK(state_of(client, 1) == "stopped");
    client.call("io.shmipc.Kill", worker_list({0}));
    CHECK(slow.receive(kPatience));
    CHECK(state_of(client, 0) == "stopped");
}

TEST_CASE("watchers see each change of state, at once, and what the workers write") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto watcher = connect(run);
    watcher.call_more("io.shmipc.Watch", {{"interval_usec", 3'600'000'000}});
    auto reply = watcher.receive(kPatience);
    REQUIRE(reply);
    CHECK(reply->continues);
    CHECK(reply->parameters.at("workers").as_array().size() == 3);
    auto client = connect(run);
    client.call("io.shmipc.Stop", worker_list({2}));
    std::set<std::string> states;
    while (states.count("stopped") == 0) {  // not by the interval: that is an hour
        reply = watcher.receive(kPatience);
        REQUIRE(reply);
        for (const json::value& worker : reply->parameters.at("workers").as_array()) {
            CHECK(number(worker, "index") == 2);
            states.insert(text(worker, "state"));
        }
    }
}

TEST_CASE("who reads the log gets its lines; who does not read at all is in nobody's way") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto reader = connect(run);
    auto lazy = connect(run);
    reader.call_more("io.shmipc.Log");
    lazy.call_more("io.shmipc.Log");
    auto client = connect(run);
    client.call("io.shmipc.Status");  // both streams are there: connections are served in turn
    for (int i = 0; i < 20; ++i) {
        client.call("io.shmipc.Restart");
    }
    std::size_t exits = 0;
    while (exits < 60) {
        const auto reply = reader.receive(kPatience);
        REQUIRE(reply);
        CHECK(reply->continues);
        exits += text(reply->parameters, "event") == "worker_exited" ? 1U : 0U;
        CHECK(number(reply->parameters, "lost") == 0);
    }
}

TEST_CASE("the log level is told and set while it runs") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    CHECK(text(client.call("io.shmipc.LogLevel"), "level") == "info");
    CHECK(text(client.call("io.shmipc.LogLevel", {{"level", "debug"}}), "level") == "debug");
    client.call("io.shmipc.Restart", worker_list({0}));
    require_line(supervisor, "worker 0: restart, now restarting");
    CHECK(text(client.call("io.shmipc.LogLevel", {{"level", "error"}}), "level") == "error");
}

TEST_CASE("the socket is its owner's and his group's, and a dead supervisor's is taken up") {
    const SupervisorRun run;
    Process first = run.start(script_worker(kGood));
    require_line(first, "3/3 workers ready");
    struct stat file {};
    REQUIRE(::stat(control_path(run).c_str(), &file) == 0);
    CHECK(S_ISSOCK(file.st_mode));
    CHECK((file.st_mode & 0777U) == 0660);
    first.signal(SIGKILL);
    first.wait();
    REQUIRE(::stat(control_path(run).c_str(), &file) == 0);
    Process second = run.start(script_worker(kGood));
    require_line(second, "3/3 workers ready");
    auto client = connect(run);
    CHECK(number(client.call("io.shmipc.Status"), "pid") == second.pid());
}

TEST_CASE("clients that wait are told when the group ends") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker(kGood) +
                  "stop_grace = \"1h\"\n[worker.0]\ncommand = [\"/bin/sh\", "
                  "\"-c\", \"trap '' TERM; echo >&3; while :; do sleep 0.01; done\"]\n");
    require_line(supervisor, "3/3 workers ready");
    auto waiting = connect(run);
    waiting.call_more("io.shmipc.Restart", worker_list({0}));
    require_line(supervisor, "restart worker 0");
    supervisor.signal(SIGTERM);
    CHECK_THROWS_WITH_AS(static_cast<void>(waiting.receive(kPatience)),
                         doctest::Contains("Stopping"), varlink::CallError);
    auto late = connect(run);
    CHECK(error_of(late, "io.shmipc.Start", worker_list({1})) == "Stopping");
    CHECK(text(late.call("io.shmipc.Status"), "phase") == "stopping");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("a group whose metrics cannot be served runs, says why, and serves them when it can") {
    const SupervisorRun run;
    const std::uint16_t port = free_port();
    const std::string toml =
        script_worker(kGood) + "[metrics]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n";
    const SupervisorRun other;
    Process first = other.start(toml);
    require_line(first, "metrics are served");
    Process supervisor = run.start(toml);
    require_line(supervisor, "bind: Address already in use: another process listens there");
    require_line(supervisor, "3/3 workers ready");
    first.signal(SIGTERM);
    CHECK(first.exit_code() == 0);
    require_line(supervisor, "metrics are served at http://127.0.0.1:" + std::to_string(port));
    CHECK(scrape(port).find("shmipc_worker_up{group=\"" + run.group()) != std::string::npos);
}

TEST_CASE("metrics are served over the socket, and over HTTP where an address is configured") {
    const SupervisorRun run;
    const std::uint16_t first = free_port();
    const std::uint16_t second = free_port();
    const auto toml = [](std::uint16_t port) {
        return script_worker(kGood) + "[metrics]\nlisten = \"127.0.0.1:" + std::to_string(port) +
               "\"\n";
    };
    Process supervisor = run.start(toml(first));
    require_line(supervisor, "metrics are served at http://127.0.0.1:" + std::to_string(first));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    const std::string up = "shmipc_worker_up{group=\"" + run.group() + "\",worker=\"2\"} 1\n";
    const std::string clients = "shmipc_control_clients{group=\"" + run.group() + "\"} 1\n";
    for (const std::string& metrics :
         {text(client.call("io.shmipc.Metrics"), "text"), scrape(first)}) {
        CAPTURE(metrics);
        CHECK(metrics.find(up) != std::string::npos);
        CHECK(metrics.find(clients) != std::string::npos);
    }
    // A reload moves it.
    std::ofstream(run.directory() + "/config.toml") << toml(second);
    client.call("io.shmipc.Reload");
    CHECK(scrape(second).find(up) != std::string::npos);
    CHECK(scrape(first).empty());
}

TEST_CASE("what is removed in the runtime directory is made anew, and told; clients go on") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    auto client = connect(run);
    client.call("io.shmipc.Stop", worker_list({1}));
    const std::string lock = run.directory() + "/" + run.group() + ".lock";
    const std::string stopped = run.directory() + "/" + run.group() + ".stopped";
    std::string restored = "made anew: ";
    SUBCASE("the socket") {
        REQUIRE(::unlink(control_path(run).c_str()) == 0);
        restored += "control socket " + control_path(run);
    }
    SUBCASE("the lock") {
        REQUIRE(::unlink(lock.c_str()) == 0);
        restored += "lock " + lock;
    }
    SUBCASE("the lock, and another file is in its place") {
        REQUIRE(::unlink(lock.c_str()) == 0);
        std::ofstream(lock) << "1\n";
        restored += "lock " + lock;
    }
    SUBCASE("the list of what is stopped") {
        REQUIRE(::unlink(stopped.c_str()) == 0);
        restored += "the list of workers that are stopped by order";
    }
    SUBCASE("all of it") {
        std::filesystem::remove_all(run.directory());
        restored += "directory " + run.directory() + ", lock " + lock + ", control socket " +
                    control_path(run) + ", the list of workers";
    }
    require_line(supervisor, restored);
    CHECK(state_of(client, 0) == "running");
    auto fresh = connect(run);
    CHECK(state_of(fresh, 1) == "stopped");
    CHECK(std::filesystem::exists(stopped));
    Process second = run.start(script_worker(kGood));
    CHECK(second.exit_code() == 75);
    CHECK(occurrences(second.output(), "pid " + std::to_string(supervisor.pid())) > 0);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(occurrences(supervisor.output(), "made anew") == 1);
    CHECK_FALSE(std::filesystem::exists(lock));
    CHECK_FALSE(std::filesystem::exists(control_path(run)));
}

TEST_CASE("what cannot be made anew is told once, and made as soon as it can be") {
    const SupervisorRun run;
    const std::string directory = run.directory() + "/own";
    std::vector<std::string> command = run.command(script_worker(kGood));
    command.insert(command.end(), {"--runtime-dir", directory});
    Process supervisor(command);
    require_line(supervisor, "3/3 workers ready");
    std::filesystem::remove_all(directory);
    std::ofstream(directory) << "in the way";
    require_line(supervisor,
                 "cannot be made anew, so that shmipcctl may not reach it: runtime "
                 "directory " +
                     directory + " is no directory");
    REQUIRE(std::filesystem::remove(directory));
    require_line(supervisor, "made anew: directory " + directory);
    CHECK(occurrences(supervisor.output(), "cannot be made anew") == 1);
    auto client = varlink::Client::connect(directory + "/" + run.group() + ".control");
    CHECK(state_of(client, 0) == "running");
}

TEST_CASE("observers look and give no orders; strangers get nothing, and take no place") {
    if (::geteuid() != 0) {
        MESSAGE("only root can be several users");
        return;
    }
    constexpr uid_t kUser = 64'123;
    constexpr gid_t kDaemon = 1;  // the group "daemon" of Debian
    constexpr gid_t kNone = 64'123;
    const SupervisorRun run;
    Process supervisor = run.start("observers = \"daemon\"\n" + script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    const std::string path = control_path(run);
    const auto as = [&](gid_t group, const std::string& method, const json::object& parameters) {
        return outcome_as(kUser, group, path, method, parameters);
    };
    for (const char* const look : {"Status", "Autopsy", "Metrics", "LogLevel"}) {
        CAPTURE(look);
        CHECK(as(kDaemon, look, {}).empty());
        CHECK(as(kNone, look, {}) == "PermissionDenied");
        CHECK(as(0, look, {}).empty());
    }
    for (const char* const order : {"Start", "Stop", "Restart", "Kill"}) {
        CAPTURE(order);
        CHECK(as(kDaemon, order, worker_list({1})) == "PermissionDenied");
        CHECK(as(kNone, order, worker_list({1})) == "PermissionDenied");
    }
    CHECK(as(kDaemon, "Toggle", worker_list({1})) == "PermissionDenied");
    CHECK(as(kDaemon, "Reload", {}) == "PermissionDenied");
    CHECK(as(kDaemon, "LogLevel", {{"level", "debug"}}) == "PermissionDenied");
    auto client = connect(run);
    for (const json::value& worker : status(client)) {
        CHECK(number(worker, "deaths") == 0);
        CHECK(text(worker, "state") == "running");
    }
    CHECK(as(0, "Stop", worker_list({1})).empty());  // a member of the socket's group
    CHECK(state_of(client, 1) == "stopped");
    CHECK(as(kNone, "Status", {}) == "PermissionDenied");
    // The directory is closed by somebody, as another unit's start does: it is opened again.
    REQUIRE(::chmod(run.directory().c_str(), 0700) == 0);
    REQUIRE(::unlink(path.c_str()) == 0);
    require_line(supervisor, "made anew: control socket");
    CHECK(as(kDaemon, "Status", {}).empty());
}

TEST_CASE(
    "without observers the socket is for its owner and group alone; an unknown group is told") {
    const SupervisorRun run;
    {
        Process supervisor = run.start(script_worker(kGood));
        require_line(supervisor, "3/3 workers ready");
        struct stat status {};
        REQUIRE(::lstat(control_path(run).c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0660);
    }
    const SupervisorRun other;
    Process refused = other.start("observers = \"no-such-group\"\n" + script_worker(kGood));
    CHECK(refused.exit_code() == 71);
    CHECK(occurrences(refused.output(), "groupadd no-such-group") == 1);
    CHECK(other.objects().empty());
}

TEST_CASE("an autopsy of many deaths comes in parts if asked, and else with the last ones") {
    const SupervisorRun run;
    Process supervisor =
        run.start("workers = 10\n" + script_worker(kGood) +
                  "[restart]\ninitial = \"1ms\"\nmaximum = \"1ms\"\nmax_restarts = 100000\n");
    require_line(supervisor, "10/10 workers ready");
    auto client = connect(run);
    constexpr std::size_t kRounds = 15;
    for (std::size_t round = 0; round < kRounds; ++round) {
        client.call("io.shmipc.Kill");
        varlink::Client watcher = connect(run);
        watcher.call_more("io.shmipc.Watch");
        std::set<std::int64_t> back;
        while (back.size() < 10) {
            const auto reply = watcher.receive(kPatience);
            REQUIRE(reply);
            for (const json::value& worker : reply->parameters.at("workers").as_array()) {
                if (number(worker, "deaths") == static_cast<std::int64_t>(round + 1) &&
                    text(worker, "state") == "running") {
                    back.insert(number(worker, "index"));
                }
            }
        }
    }
    const json::object last = client.call("io.shmipc.Autopsy");
    CHECK(last.at("deaths").as_array().size() == 128);
    CHECK(number(last, "left_out") == 10 * kRounds - 128);
    client.call_more("io.shmipc.Autopsy");
    json::array all;
    int parts = 0;
    for (bool more = true; more; ++parts) {
        const auto reply = client.receive(kPatience);
        REQUIRE(reply);
        for (const json::value& death : reply->parameters.at("deaths").as_array()) {
            all.push_back(death);
        }
        more = reply->continues;
    }
    CHECK(parts == 2);
    REQUIRE(all.size() == 10 * kRounds);
    CHECK(all.back() == last.at("deaths").as_array().back());
    for (std::size_t i = 1; i < all.size(); ++i) {
        CHECK(number(all[i - 1], "time_usec") <= number(all[i], "time_usec"));
    }
    client.call_more("io.shmipc.Autopsy", worker_list({3}));
    const auto one = client.receive(kPatience);
    REQUIRE(one);
    CHECK_FALSE(one->continues);
    CHECK(one->parameters.at("deaths").as_array().size() == kRounds);
}
