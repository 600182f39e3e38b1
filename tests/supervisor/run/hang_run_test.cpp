// Workers that give no sign of life, and those that only seem so.
#include "control_fixture.hpp"
#include "run_fixture.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include <sys/ptrace.h>
#include <sys/wait.h>

using namespace shmipc;
using namespace shmipc::test;

namespace {

/// Two workers: 0 behaves as `how` says in its first life, 1 is idle. Time enough to fill half a
/// gigabyte on a machine with more to do than it can.
std::string odd(const SupervisorRun& run, const std::string& how, const std::string& limit = "1s") {
    return "workers = 2\n[worker]\ncommand = [\"" SHMIPC_ODD_WORKER "\"]\nheartbeat_limit = \"" +
           limit +
           "\"\nstop_grace = \"2s\"\nstart_limit = \"1m\"\n[worker.0]\ncommand = "
           "[\"" SHMIPC_ODD_WORKER "\", \"" +
           how + "\", \"" + run.directory() + "/lived\"]\n";
}

}  // namespace

TEST_CASE("a worker that spins is aborted, said so, and back; an idle one beside it goes on") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "spin"));
    const pid_t idle = require_started(supervisor, 1);
    require_line(supervisor, "has given no sign of life for ");
    require_line(supervisor, "hangs: no sign of life for ");
    const std::string death = require_line(supervisor, "was killed by signal 6 (ABRT)");
    CHECK(death.find("(it hung)") != std::string::npos);
    CHECK(death.find("worker 0") != std::string::npos);
    // On a machine with more to do than it can, one that spins gets too little CPU to be told from
    // one that is only slow; process_sight_test.cpp tells them apart by themselves.
    const bool spins = supervisor.output().find("it spins: it has used ") != std::string::npos;
    const bool starved =
        supervisor.output().find("it is slow: it wants to run") != std::string::npos;
    CHECK((spins || starved));
    CHECK(require_started(supervisor, 0) != idle);
    auto client = connect(run);
    const auto workers = status(client);
    CHECK(number(workers[0], "hangs") == 1);
    CHECK(number(workers[0], "deaths") == 1);
    CHECK(number(workers[1], "hangs") == 0);
    CHECK(number(workers[1], "pid") == idle);
}

TEST_CASE("a worker that sleeps elsewhere than in the library hangs too, and is told apart") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "sleep"));
    require_line(supervisor, "it sleeps, and not in one of the library's waits; aborting it");
    require_line(supervisor, "worker 0 (pid ");
    require_started(supervisor, 0);
}

TEST_CASE("a worker stopped with SIGSTOP is told apart, aborted and back") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "wait"));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    require_line(supervisor, "it is stopped by a signal (SIGSTOP or the like); after 1s");
    require_line(supervisor, "it is stopped by a signal (SIGSTOP or the like); aborting it");
    require_line(supervisor, "was killed by signal 6 (ABRT)");
    CHECK(require_started(supervisor, 0) != pid);
}

TEST_CASE("a worker that is continued in time is told to have recovered, and lives") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "wait", "30s"));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    // With the limit so far away, half of it cannot have passed; a reload brings it near.
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    std::ofstream(run.directory() + "/config.toml") << odd(run, "wait", "8s");
    supervisor.signal(SIGHUP);
    require_line(supervisor, "changed: worker.heartbeat_limit");
    require_line(supervisor, "has given no sign of life for ");
    REQUIRE(::kill(pid, SIGCONT) == 0);
    require_line(supervisor, "gives signs of life again");
    auto client = connect(run);
    CHECK(number(status(client)[0], "pid") == pid);
}

TEST_CASE("slow is not hung: a sign of life within the limit is enough, of whatever kind") {
    const SupervisorRun run;
    // Much longer than the 0.6 s between two signs, for a machine with other work to do.
    Process supervisor =
        run.start(odd(run, "slow", "4s") + "[worker.1]\ncommand = [\"" SHMIPC_ODD_WORKER
                                           "\", \"publish\"]\n");
    const pid_t slow = require_started(supervisor, 0);
    const pid_t publishing = require_started(supervisor, 1);
    require_line(supervisor, "2/2 workers ready");
    auto client = connect(run);
    // Watched over more than two limits of the supervisor's own time.
    client.call_more("io.shmipc.Watch", {{"interval_usec", 1'000'000}, {"all", true}});
    for (int i = 0; i < 10; ++i) {
        REQUIRE(client.receive(kPatience));
    }
    auto other = connect(run);
    const auto workers = status(other);
    CHECK(number(workers[0], "pid") == slow);
    CHECK(number(workers[1], "pid") == publishing);
    CHECK(number(workers[0], "hangs") + number(workers[1], "hangs") == 0);
}

TEST_CASE("with a limit of 0 nobody is looked after") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "spin", "0s"));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    auto client = connect(run);
    client.call_more("io.shmipc.Watch", {{"interval_usec", 1'000'000}, {"all", true}});
    for (int i = 0; i < 4; ++i) {
        REQUIRE(client.receive(kPatience));
    }
    auto other = connect(run);
    CHECK(number(status(other)[0], "pid") == pid);
    CHECK(number(status(other)[0], "heartbeat_age_usec") > 1'000'000);
}

TEST_CASE("a program that is no member of the group is never taken for hung") {
    const SupervisorRun run;
    Process supervisor = run.start("workers = 2\n" + script_worker("echo >&3; exec sleep 1000") +
                                   "heartbeat_limit = \"500ms\"\n");
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    auto client = connect(run);
    client.call_more("io.shmipc.Watch", {{"interval_usec", 500'000}, {"all", true}});
    for (int i = 0; i < 4; ++i) {
        REQUIRE(client.receive(kPatience));
    }
    auto other = connect(run);
    CHECK(number(status(other)[0], "pid") == pid);
}

TEST_CASE("a worker under a debugger is left alone until it is let go") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "wait"));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    REQUIRE(::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) == 0);
    int stopped = 0;
    REQUIRE(::waitpid(pid, &stopped, __WALL) == pid);
    require_line(supervisor, "it is traced by pid ");
    auto client = connect(run);
    client.call_more("io.shmipc.Watch", {{"interval_usec", 500'000}, {"all", true}});
    for (int i = 0; i < 6; ++i) {
        REQUIRE(client.receive(kPatience));
    }
    REQUIRE(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0);
    require_line(supervisor, "gives signs of life again");
    auto other = connect(run);
    CHECK(number(status(other)[0], "pid") == pid);
    CHECK(number(status(other)[0], "hangs") == 0);
}

TEST_CASE("a hung worker that does not die of SIGABRT is killed after the grace time") {
    const SupervisorRun run;
    Process supervisor = run.start(odd(run, "deaf"));
    require_line(supervisor, "hangs: no sign of life for ");
    require_line(supervisor, "did not end within 2s: killed");
    require_line(supervisor, "(it hung, and did not end within 2s)");
    require_started(supervisor, 0);
}

TEST_CASE("a core that is being written is waited for before SIGKILL") {
    const SupervisorRun run;
    // The core goes to the worker's directory, where the test's own are; a grace time that is over
    // long before 512 MiB are written.
    std::string toml = odd(run, "dump");
    toml.replace(toml.find("stop_grace = \"2s\""), 17, "stop_grace = \"100ms\"");
    std::vector<std::string> command{"/bin/sh", "-c", R"(cd "$0" && exec "$@")", run.directory()};
    for (const std::string& word : run.command(toml)) {
        command.push_back(word);
    }
    Process supervisor(command);
    require_line(supervisor, "hangs: no sign of life for ");
    require_line(supervisor, "is writing its core: killing it waits for that");
    require_line(supervisor, "was killed by signal 6 (ABRT), core dumped,");
}
