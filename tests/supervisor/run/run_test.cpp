// The supervisor as it is used: with the stock worker, killed, stopped, started twice.
#include "run_fixture.hpp"
#include <shmipc/group.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;

namespace {

std::uint64_t number_at_end(const std::string& line) {
    return std::stoull(line.substr(line.rfind(' ') + 1));
}

std::vector<pid_t> started(Process& supervisor, unsigned workers) {
    std::vector<pid_t> pids;
    for (unsigned i = 0; i < workers; ++i) {
        pids.push_back(require_started(supervisor, i));
    }
    return pids;
}

}  // namespace

TEST_CASE("a killed worker is back at once, and goes on with the next value") {
    const SupervisorRun run;
    Process supervisor = run.start(stock_worker());
    const std::vector<pid_t> pids = started(supervisor, 3);
    require_line(supervisor, "supervisor: 3/3 workers ready");
    std::uint64_t last = 0;
    while (last < 5) {
        last = number_at_end(require_line(supervisor, "1: write "));
    }
    REQUIRE(::kill(pids[1], SIGKILL) == 0);
    const std::string death =
        require_line(supervisor, "worker 1 (pid " + std::to_string(pids[1]) +
                                     ") was killed by signal 9 (KILL) after ");
    CHECK(death.find("; restarting at once") != std::string::npos);
    CHECK(require_started(supervisor, 1) != pids[1]);
    require_line(supervisor, "1: attached, incarnation 2");
    const std::uint64_t next = number_at_end(require_line(supervisor, "1: write "));
    // Values written between the kill's order and the death were written in order, too.
    std::uint64_t before = last;
    const std::string& output = supervisor.output();
    const std::size_t end = output.find("1: attached, incarnation 2");
    for (std::size_t at = output.find("\n1: write "); at < end;
         at = output.find("\n1: write ", at + 1)) {
        before = std::stoull(output.substr(at + 10));
    }
    // One more if it was killed after publishing, and before it could say so.
    CHECK(next >= before + 1);
    CHECK(next <= before + 2);
    CHECK(occurrences(supervisor.output(), "supervisor: 3/3 workers ready") == 1);
}

TEST_CASE("SIGTERM and SIGINT leave no process, no object, no lock, and exit 0") {
    for (const int signal : {SIGTERM, SIGINT}) {
        CAPTURE(signal);
        const SupervisorRun run;
        Process supervisor = run.start(stock_worker());
        const std::vector<pid_t> pids = started(supervisor, 3);
        require_line(supervisor, "3/3 workers ready");
        CHECK(run.objects().size() >= 3);
        supervisor.signal(signal);
        CHECK(supervisor.exit_code() == 0);
        for (const pid_t pid : pids) {
            CHECK(::kill(pid, 0) != 0);  // reaped: not even a zombie
        }
        CHECK(run.objects().empty());
        CHECK(::access((run.directory() + "/" + run.group() + ".lock").c_str(), F_OK) != 0);
        CHECK(occurrences(supervisor.output(), "exited with status 0") == 3);
    }
}

TEST_CASE("with persist the objects stay, and the next supervisor takes them up") {
    const SupervisorRun run;
    std::uint64_t last = 0;
    {
        Process first = run.start(stock_worker(), {"--persist"});
        last = number_at_end(require_line(first, "0: write "));
        first.signal(SIGTERM);
        CHECK(first.exit_code() == 0);
    }
    CHECK(run.objects().size() >= 3);
    Process second = run.start(stock_worker());
    require_line(second, "took up group '" + run.group() + "'");
    CHECK(number_at_end(require_line(second, "0: write ")) > last);
    second.signal(SIGTERM);
    CHECK(second.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("a second supervisor is refused with the pid of the first, and harms nothing") {
    const SupervisorRun run;
    Process first = run.start(stock_worker());
    require_line(first, "3/3 workers ready");
    Process second = run.start(stock_worker());
    require_line(second, "already has a supervisor: pid " + std::to_string(first.pid()));
    CHECK(second.exit_code() == 75);
    require_line(first, "2: write ");
    CHECK(run.objects().size() >= 3);
}

TEST_CASE("a second supervisor with another runtime directory is refused at once") {
    const SupervisorRun run;
    const SupervisorRun other;
    Process first = run.start(stock_worker());
    require_line(first, "3/3 workers ready");
    std::vector<std::string> command = run.command(stock_worker());
    std::replace(command.begin(), command.end(), run.directory(), other.directory());
    const std::string refused = "already has a supervisor: pid " + std::to_string(first.pid());
    {
        Process second(command);
        require_line(second, refused);
        CHECK(second.exit_code() == 75);
        CHECK(occurrences(second.output(), "3/3 workers ready") == 0);
    }
    // Also after somebody tidied the runtime directory under the first one.
    for (const char* file : {".control", ".lock"}) {
        ::unlink((run.directory() + "/" + run.group() + file).c_str());
    }
    Process third = run.start(stock_worker());
    require_line(third, refused);
    CHECK(third.exit_code() == 75);
    require_line(first, "2: write ");
    first.signal(SIGTERM);
    CHECK(first.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("workers die with a killed supervisor, and the next one takes up the same objects") {
    const SupervisorRun run;
    std::uint64_t last = 0;
    for (int incarnation = 1; incarnation <= 3; ++incarnation) {
        CAPTURE(incarnation);
        Process supervisor = run.start(stock_worker());
        require_line(supervisor, incarnation == 1 ? "created group" : "took up group");
        const std::vector<pid_t> pids = started(supervisor, 3);
        const std::uint64_t first = number_at_end(require_line(supervisor, "0: write "));
        CHECK(first > last);
        last = first;
        supervisor.signal(SIGKILL);
        const auto status = supervisor.wait();
        REQUIRE(status);
        CHECK(WIFSIGNALED(*status));
        for (const pid_t pid : pids) {
            CHECK(ends(pid));
        }
        CHECK(run.objects().size() >= 3);
        const auto signs = Group::open(run.group()).vital_signs(WorkerIndex{0});
        REQUIRE(signs);
        CHECK(signs->incarnation == static_cast<std::uint32_t>(incarnation));
    }
}

TEST_CASE("objects that do not fit are removed with a notice, but never if messages persist") {
    const SupervisorRun run;
    GroupConfig other;
    other.name = run.group();
    other.workers = 4;
    { const Group leftover = Group::create_or_open(other); }
    {
        Process supervisor = run.start(stock_worker(), {"--persist"});
        require_line(supervisor, "supervisor: error: ");
        CHECK(supervisor.exit_code() == 73);
        CHECK(Group::open(run.group()).geometry().workers == 4);
    }
    Process supervisor = run.start(stock_worker());
    require_line(supervisor, "removed the objects that an earlier supervisor left");
    require_line(supervisor, "3/3 workers ready");
    CHECK(Group::open(run.group()).geometry().workers == 3);
}

TEST_CASE("a worker that runs elsewhere is waited for, and is no death") {
    const SupervisorRun run;
    Process other({SHMIPC_WORKER, "--group", run.group(), "--workers", "3", "--index", "1",
                   "--log-format", "human"});
    require_line(other, "1: waiting for other processes");
    Process supervisor = run.start(stock_worker() + "[restart]\nmax_restarts = 1\n");
    require_line(supervisor, "worker 1 is running elsewhere");
    require_line(supervisor, "worker 1 is running elsewhere");
    other.signal(SIGTERM);
    CHECK(other.exit_code() == 0);
    require_line(supervisor, "3/3 workers ready");
    CHECK(occurrences(supervisor.output(), "given up") == 0);
}

TEST_CASE("a death certificate carries its fields in JSON") {
    const SupervisorRun run;
    Process supervisor = run.start(stock_worker(), {"--log-format", "json"});
    const pid_t pid = pid_in(require_line(supervisor, "worker 2 (pid "));
    require_line(supervisor, "3/3 workers ready");
    REQUIRE(::kill(pid, SIGKILL) == 0);
    const std::string line = require_line(supervisor, "was killed by signal 9");
    for (const std::string& part :
         {std::string(R"("EXIT_CODE":"killed")"), std::string(R"("EXIT_STATUS":9)"),
          std::string(R"("SHMIPC_WORKER":2)"), std::string(R"("SHMIPC_INCARNATION":1)"),
          std::string(R"("SHMIPC_RESTARTS":0)"), std::string(R"("SHMIPC_BACKOFF_USEC":0)"),
          std::string(R"("SHMIPC_SEQUENCE":)"), std::string(R"("SHMIPC_UPTIME_USEC":)"),
          R"("SHMIPC_WORKER_PID":)" + std::to_string(pid),
          R"("SHMIPC_GROUP":")" + run.group() + '"'}) {
        CAPTURE(line);
        CHECK(line.find(part) != std::string::npos);
    }
}
