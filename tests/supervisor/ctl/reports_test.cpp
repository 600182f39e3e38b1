// What shmipcctl understands of a supervisor's answers, and what it says to errors.
#include "ctl/reports.hpp"

#include "ctl/autopsy.hpp"
#include "ctl/changes.hpp"
#include "ctl/orders.hpp"
#include "ctl/refusals.hpp"
#include "ctl/status.hpp"
#include "fake_service.hpp"

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

using namespace shmipc;
using namespace shmipc::ctl;
using test::status_json;
using test::worker_json;

namespace {

boost::json::object parse(const char* text) {
    return boost::json::parse(text).as_object();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string all_text(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines) {
        text += text_of(line) + '\n';
    }
    return text;
}

}  // namespace

TEST_CASE("a whole report of a worker is understood") {
    const StatusReport status = read_status(status_json(3));
    CHECK(status.group == "demo");
    CHECK(status.pid == 4711);
    CHECK(status.ready == 3);
    REQUIRE(status.workers.size() == 3);
    const WorkerReport& worker = status.workers[2];
    CHECK(worker.index == 2);
    CHECK(worker.pid == 4702);
    CHECK(worker.uptime == std::chrono::seconds{123});
    CHECK_FALSE(worker.backoff);
    CHECK(worker.written == 58);
    CHECK(worker.read == 116);
    CHECK(worker.heartbeat_age == std::chrono::milliseconds{17});
    CHECK(worker.pins_held == 1);
}

TEST_CASE("what another version leaves out, adds or calls otherwise harms nothing") {
    const StatusReport empty = read_status({});
    CHECK(empty.group == "unknown");
    CHECK(empty.workers.empty());
    const StatusReport odd = read_status(parse(
        R"({"group":"g","later":[1],"workers":[
            {"index":1,"state":"dreaming\u001b[2J"},{"index":0,"new":{}},{"index":1}]})"));
    REQUIRE(odd.workers.size() == 2);  // ascending, each once
    CHECK(odd.workers[0].state == "unknown");
    CHECK(odd.workers[1].state == "dreaming\\x1b[2J");
    CHECK_FALSE(odd.workers[1].pid);
    CHECK_FALSE(all_text(status_lines(odd, {WorkerIndex{0}, WorkerIndex{1}})).empty());
    const WatchReport clock = read_watch(
        parse(R"({"time_usec":9223372036854775807,"workers":[{"index":0,"uptime_usec":-5}]})"));
    CHECK(clock.time > std::chrono::hours{24 * 365});
    CHECK(clock.workers[0].uptime == Nanoseconds{0});
}

TEST_CASE("a field of another type is named") {
    struct Case {
        const char* text;
        const char* field;
    };
    for (const Case& wrong :
         {Case{R"({"workers":[{"index":"x"}]})", "index"},
          Case{R"({"workers":[{"state":"up"}]})", "index"},
          Case{R"({"workers":[{"index":-1}]})", "index"},
          Case{R"({"workers":[{"index":0.5}]})", "index"}, Case{R"({"workers":[7]})", "workers"},
          Case{R"({"workers":{}})", "workers"}, Case{R"({"group":5})", "group"},
          Case{R"({"ready":-1})", "ready"}, Case{R"({"pid":"4711"})", "pid"}}) {
        CAPTURE(wrong.text);
        try {
            read_status(parse(wrong.text));
            FAIL("was understood");
        } catch (const Failure& failure) {
            CHECK(failure.code() == ExitCode::kFailed);
            CHECK(contains(failure.what(), "field '" + std::string(wrong.field) + "'"));
            CHECK(contains(failure.what(), "shmipcctl version"));
        }
    }
}

TEST_CASE("status begins with the group, and colours states") {
    boost::json::object reply = status_json(3);
    reply["ready"] = 1;
    reply["phase"] = "stopping";
    reply["workers"].as_array()[1] = worker_json(1, "failed");
    reply["workers"].as_array()[2] = worker_json(2, "backoff");
    reply["workers"].as_array()[2].as_object()["backoff_usec"] = 1'500'000;
    const StatusReport report = read_status(reply);
    const auto lines = status_lines(report, {WorkerIndex{0}, WorkerIndex{1}, WorkerIndex{2}});
    REQUIRE(lines.size() == 5);
    CHECK(
        text_of(lines[0]) ==
        "group demo: 1/3 workers ready, supervisor pid 4711, up 2 min 10 s, 6 restarts, stopping");
    const auto has = [](const Line& line, const Span& span) {
        return std::find(line.begin(), line.end(), span) != line.end();
    };
    CHECK(has(lines[2], {"running", Style::kGood}));
    CHECK(has(lines[3], {"failed", Style::kBad}));
    CHECK(has(lines[4], {"backoff (1.5 s)", Style::kWaiting}));
    CHECK(contains(text_of(lines[3]), "killed by signal 9 (KILL)"));
    CHECK(status_lines(report, {WorkerIndex{1}}).size() == 3);
    const auto selected = select_workers(reply, {WorkerIndex{2}});
    CHECK(selected.at("workers").as_array().size() == 1);
    CHECK(selected.at("group") == "demo");
}

TEST_CASE("an autopsy tells how, why, what followed, and what was in use") {
    const auto deaths = read_deaths(parse(R"({"deaths":[
        {"worker":1,"time_usec":1700000000123456,"pid":4711,"how":"killed","status":9,
         "signal":"KILL","cause":"killed by an operator","consequence":"restarting at once",
         "uptime_usec":2100000,"incarnation":3,"sequence":58,
         "held":[{"channel":0,"sequence":12},{"channel":2,"sequence":7}],
         "last_output":["opening","camera \u001b[2Jmissing"]},
        {"worker":1,"time_usec":1700000001000000,"pid":null,"how":"not_started",
         "consequence":"it stays down","uptime_usec":0,"incarnation":0,"sequence":0}]})"));
    const std::string text = all_text(autopsy_lines(deaths, {WorkerIndex{0}, WorkerIndex{1}}));
    CAPTURE(text);
    CHECK(contains(text, "2023-11-1"));  // whatever the time zone
    CHECK(contains(text, "worker 1 (pid 4711) was killed by signal 9 (KILL) after 2.1 s"));
    CHECK(contains(text, "cause       killed by an operator"));
    CHECK(contains(text, "consequence restarting at once"));
    CHECK(contains(text, "message 12 of worker 0, message 7 of worker 2"));
    CHECK(contains(text, "up to message 58"));
    CHECK(contains(text, "  last output opening\n              camera \\x1b[2Jmissing\n"));
    CHECK(contains(text, "worker 1 could not be started"));
    CHECK(contains(text, "had not attached"));
    CHECK(contains(text, "worker 0: no death"));
}

TEST_CASE("each way to die has words of its own") {
    DeathReport death;
    death.status = 6;
    death.signal = "ABRT";
    for (const auto& [how, words] :
         {std::pair{"exited", "exited with status 6"},
          std::pair{"dumped", "was killed by signal 6 (ABRT), core dumped"},
          std::pair{"out_of_memory", "was out of memory"}, std::pair{"unknown", "unknown way"},
          std::pair{"abducted", "called abducted"}}) {
        death.how = how;
        CHECK(contains(how_it_ended(death), words));
    }
}

TEST_CASE("a reload tells what it did, and what is left") {
    const auto text = [](const char* reply) {
        return all_text(reload_lines(read_reload(parse(reply))));
    };
    CHECK(text("{}") == "nothing has changed\n");
    CHECK(
        text(
            R"({"applied":["log.level","worker.grace"],"rolled":[0,1,2],"needs_restart":["workers"]})") ==
        "applied: log.level, worker.grace\nrestarted with the new settings: workers 0-2\n"
        "takes effect when the supervisor is restarted: workers\n");
}

TEST_CASE(
    "changes are told once, and the first report of a worker that runs is none of its state") {
    ChangeTracker tracker;
    const auto report = [](const char* state, std::uint64_t written) {
        WorkerReport worker;
        worker.index = 1;
        worker.state = state;
        worker.written = written;
        worker.last_exit = "killed by signal 9 (KILL)";
        return worker;
    };
    Change change = tracker.update(report("running", 5));
    CHECK_FALSE(change.state);
    CHECK(change.message);
    change = tracker.update(report("running", 5));
    CHECK_FALSE(change.state);
    CHECK_FALSE(change.message);
    change = tracker.update(report("backoff", 5));
    CHECK(change.state);
    CHECK_FALSE(change.message);
    CHECK(describe_state_change(report("backoff", 5), change) ==
          "worker 1: running -> backoff (killed by signal 9 (KILL))");
    change = tracker.update(report("running", 6));
    CHECK(describe_state_change(report("running", 6), change) == "worker 1: backoff -> running");
    CHECK(change.message);
    ChangeTracker other;
    CHECK(other.update(report("failed", 0)).state);
}

TEST_CASE("no connection: each reason has its text, remedy and exit code") {
    const Place place{"demo", "", ""};
    const auto failure = [&](int error_number, const std::optional<Owner>& owner = std::nullopt) {
        return describe_no_connection(place, {"/run/shmipc/demo.control"}, error_number, owner);
    };
    CHECK(failure(ENOENT).code() == ExitCode::kNoSupervisor);
    CHECK(contains(failure(ENOENT).what(),
                   "no supervisor runs group 'demo': /run/shmipc/demo.control does not exist; "
                   "start it with: shmipc-supervisor --group demo"));
    CHECK(contains(failure(ENOENT).what(), "--runtime-dir"));
    CHECK(contains(failure(ENOENT).what(), "systemctl start shmipc@demo)"));
    CHECK(
        contains(describe_no_connection({}, {"/a"}, ENOENT, {}).what(), "systemctl start shmipc)"));
    CHECK(failure(ENOENT).reason() == "/run/shmipc/demo.control does not exist");
    CHECK(contains(describe_no_connection(place, {"/a", "/b"}, ENOENT, {}).what(),
                   "neither /a nor /b exists"));
    CHECK(contains(describe_no_connection(place, {"/a", "/b", "/c"}, ENOENT, {}).what(),
                   "neither /a nor /b nor /c exists"));
    CHECK(failure(ECONNREFUSED).code() == ExitCode::kNoSupervisor);
    CHECK(contains(failure(ECONNREFUSED).what(), "nobody listens on /run/shmipc/demo.control"));
    const Failure refused = failure(EACCES, Owner{"root", "shmipc", true});
    CHECK(refused.code() == ExitCode::kNoPermission);
    CHECK(std::string(refused.what()) ==
          "/run/shmipc/demo.control belongs to group shmipc: run as "
          "root or as a member of that group");
    CHECK(contains(failure(EACCES, Owner{"joe", "users", false}).what(), "user joe alone"));
    CHECK(contains(failure(EACCES).what(), "run as root"));
    CHECK(failure(ENAMETOOLONG).code() == ExitCode::kUsage);
    CHECK(contains(failure(ENOTSOCK).what(), "--socket"));
    const Failure lost =
        describe_lost_connection(place, "/s", varlink::ConnectionError("it broke", 0));
    const Failure silent =
        describe_lost_connection(place, "/s", varlink::ConnectionError("no answer", ETIMEDOUT));
    CHECK(silent.code() == ExitCode::kNoSupervisor);
    CHECK(contains(silent.what(), "at /s has not answered within 10s: it is stopped"));
    CHECK(contains(silent.what(), "look at it with: ps "));
    CHECK(lost.code() == ExitCode::kNoSupervisor);
    CHECK(contains(lost.what(), "lost the supervisor of group 'demo' at /s: it broke"));
    CHECK(contains(lost.what(), "shmipcctl --group demo status"));
}

TEST_CASE("every error of the interface has its text") {
    const Place place{"demo", "", ""};
    const auto text = [&](const std::string& error, const char* parameters) {
        const Failure failure =
            describe_call_error(place, "Start", varlink::CallError(error, parse(parameters)));
        CHECK(failure.code() ==
              (error == "io.shmipc.Stopping" ? ExitCode::kStopping : ExitCode::kFailed));
        return std::string(failure.what());
    };
    CHECK(contains(text("io.shmipc.NoSuchWorker", R"({"worker":7,"workers":3})"),
                   "worker 7 does not exist: the group has 3 workers"));
    CHECK(contains(text("io.shmipc.NoSuchSignal", R"({"signal":70})"), "no signal 70"));
    CHECK(contains(text("io.shmipc.NotRunning", R"({"worker":1})"),
                   "worker 1 is not running; to start it: shmipcctl --group demo start 1"));
    CHECK(contains(text("io.shmipc.WorkerFailed", R"({"worker":1,"reason":"died\u001b[2J"})"),
                   "worker 1 did not become ready: died\\x1b[2J; how it died: shmipcctl --group "
                   "demo autopsy 1"));
    CHECK(contains(text("io.shmipc.Overridden", R"({"worker":1,"state":"stopped"})"),
                   "another order for worker 1"));
    CHECK(contains(text("io.shmipc.ConfigInvalid", R"({"reason":"line 3: no"})"),
                   "nothing was changed: line 3: no"));
    CHECK(contains(text("io.shmipc.RolloutFailed", R"({"worker":2,"reason":"r","rolled":[0,1]})"),
                   "stopped at worker 2, r: those after it keep the old command; workers 0, 1 have "
                   "the new one, and what else"));
    CHECK(contains(text("io.shmipc.RolloutFailed", R"({"worker":0,"reason":"r","rolled":[]})"),
                   "stopped at worker 0, r: those after it keep the old command, and what else had "
                   "changed is applied. How it died: shmipcctl --group demo autopsy 0."));
    CHECK(contains(text("io.shmipc.ReloadInProgress", "{}"), "try again"));
    CHECK(contains(text("io.shmipc.Stopping", "{}"), "the supervisor is stopping"));
    CHECK(contains(text("org.varlink.service.ExpectedMore", "{}"), "bug"));
    CHECK(contains(text("org.varlink.service.MethodNotFound", "{}"), "does not know Start"));
    CHECK(contains(text("org.varlink.service.InvalidParameter", R"({"parameter":"wait"})"),
                   "'wait'"));
    CHECK(contains(text("io.shmipc.Later", R"({"x":1})"), "error io.shmipc.Later {\"x\":1}"));
    // Parameters that are missing, or of other types.
    CHECK(contains(text("io.shmipc.NoSuchWorker", "{}"), "worker ? does not exist"));
    CHECK(contains(text("io.shmipc.NoSuchWorker", R"({"worker":"x"})"), "io.shmipc.NoSuchWorker"));
    CHECK(describe_call_error(place, "Start",
                              varlink::CallError("org.varlink.service.PermissionDenied", {}))
              .code() == ExitCode::kNoPermission);
}
