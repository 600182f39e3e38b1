// shmipcctl and the real supervisor, as an operator works with them.
#include "../ctl/pty.hpp"
#include "control_fixture.hpp"
#include "run_fixture.hpp"

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <csignal>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::test;
namespace json = boost::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// shmipcctl for the supervisor of one run.
class Ctl {
  public:
    explicit Ctl(const SupervisorRun& run) : run_(run) {}

    [[nodiscard]] std::vector<std::string> command(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(),
                         {SHMIPC_CTL, "--group", run_.group(), "--runtime-dir", run_.directory()});
        return arguments;
    }
    /// What it prints, if it ends with `code`; fails the test if it does not.
    [[nodiscard]] std::string run(const std::vector<std::string>& arguments, int code = 0) const {
        Process process(command(arguments));
        const int exit_code = process.exit_code();
        CAPTURE(process.output());
        REQUIRE(exit_code == code);
        return process.output();
    }
    [[nodiscard]] json::object answer(std::vector<std::string> arguments) const {
        arguments.emplace_back("--json");
        return json::parse(run(arguments)).as_object();
    }
    [[nodiscard]] json::array workers() const {
        return answer({"status"}).at("workers").as_array();
    }
    [[nodiscard]] std::string state(std::size_t worker) const {
        return text(workers().at(worker), "state");
    }

  private:
    const SupervisorRun& run_;
};

}  // namespace

TEST_CASE("orders are carried out for numbers, lists and ranges when shmipcctl says so") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process supervisor = run.start("workers = 4\n" + script_worker(kGood));
    require_line(supervisor, "4/4 workers ready");
    CHECK(contains(ctl.run({"status"}), "group " + run.group() +
                                            ": 4/4 workers ready, supervisor pid " +
                                            std::to_string(supervisor.pid())));
    CHECK(ctl.run({"stop", "0,2-3"}) == "stopped workers 0, 2, 3\n");
    CHECK(ctl.state(0) == "stopped");
    CHECK(ctl.state(1) == "running");
    CHECK(ctl.state(2) == "stopped");
    CHECK(ctl.state(3) == "stopped");
    CHECK(ctl.run({"start", "2"}) == "started worker 2\n");
    CHECK(ctl.state(2) == "running");
    const json::array before = ctl.workers();
    CHECK(ctl.run({"restart", "1-2"}) == "restarted workers 1, 2\n");
    const json::array after = ctl.workers();
    CHECK(number(after[1], "pid") != number(before[1], "pid"));
    CHECK(number(after[2], "pid") != number(before[2], "pid"));
    CHECK(text(after[3], "state") == "stopped");
    CHECK(ctl.run({"start", "all"}) == "started workers 0-3\n");
    CHECK(number(ctl.answer({"status"}), "ready") == 4);
    CHECK(contains(ctl.run({"stop", "1", "--no-wait"}), "stopping worker 1"));
    require_line(supervisor, "(stopped by order); it stays down");
    CHECK(contains(ctl.run({"kill", "0,1"}, 1), "shmipcctl: worker 1 is not running; to start it"));
    CHECK(contains(ctl.run({"stop", "4"}, 64), "'4' is no worker: expected 0 to 3"));
    CHECK(ctl.state(0) == "running");
}

TEST_CASE("what an operator has killed is back, and its autopsy tells why it died") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process supervisor = run.start(script_worker(kGood));
    for (unsigned i = 0; i < 3; ++i) {
        require_started(supervisor, i);
    }
    require_line(supervisor, "3/3 workers ready");
    const std::int64_t pid = number(ctl.workers()[1], "pid");
    CHECK(ctl.run({"kill", "1"}) == "sent signal 9 (KILL) to worker 1\n");
    CHECK(require_started(supervisor, 1) != pid);
    const std::string autopsy = ctl.run({"autopsy", "0-1"});
    CHECK(contains(autopsy, "worker 1 (pid " + std::to_string(pid) +
                                ") was killed by signal 9 (KILL) after "));
    CHECK(contains(autopsy, "cause       sent by order\n"));
    CHECK(contains(autopsy, "consequence restarting at once\n"));
    CHECK(contains(autopsy, "worker 0: no death since the supervisor's start"));
    const json::array deaths = ctl.answer({"autopsy", "1"}).at("deaths").as_array();
    REQUIRE(deaths.size() == 1);
    CHECK(number(deaths[0], "pid") == pid);
    CHECK(text(deaths[0], "how") == "killed");
    CHECK(contains(ctl.run({"status", "1"}), "was killed by signal 9 (KILL)"));
}

TEST_CASE("watch sees values and changes of state; peek and status count the same messages") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process supervisor = run.start(stock_worker());
    require_line(supervisor, "3/3 workers ready");
    Process watch(ctl.command({"watch", "1", "--interval", "100ms"}));
    const auto value = watch.wait_for_line("worker 1: message ");
    REQUIRE(value);
    CHECK(contains(*value, ", value "));
    CHECK(watch.wait_for_line("worker 1: message "));  // and the next
    const std::int64_t before = number(ctl.workers()[1], "written");
    CHECK(before > 0);
    CHECK(before <= number(ctl.answer({"peek", "1"}), "sequence"));
    CHECK(contains(ctl.run({"peek", "all"}), "worker 2: message "));
    CHECK(ctl.run({"stop", "1"}) == "stopped worker 1\n");
    const auto stopped = watch.wait_for_line("-> stopped (exited with status 0)");
    CHECK_MESSAGE(stopped, watch.output());
    CHECK(number(ctl.answer({"peek", "1"}), "sequence") ==
          number(ctl.workers()[1], "written"));  // the last one, now that nobody writes
    CHECK(ctl.run({"start", "1"}) == "started worker 1\n");
    CHECK(watch.wait_for_line("starting -> running"));
    CHECK(watch.wait_for_line("worker 1: message "));
    CHECK_FALSE(contains(watch.output(), "worker 0"));
    supervisor.signal(SIGTERM);
    CHECK(watch.wait_for_line("shmipcctl: lost the supervisor"));
    CHECK(watch.exit_code() == 69);
}

TEST_CASE("a reload ends with 0 if all is applied, and with 1 and the reason if not") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    CHECK(ctl.run({"reload"}) == "nothing has changed\n");
    rewrite(run, "workerz = 3\n");
    CHECK(contains(ctl.run({"reload"}, 1),
                   "nothing was changed: " + run.directory() + "/config.toml:1:1: unknown key"));
    rewrite(run, "workers = 4\n" + script_worker(std::string(kGood) + "; true") +
                     "[restart]\nmax_restarts = 1\n");
    CHECK(ctl.run({"reload"}) ==
          "applied: restart.max_restarts\n"
          "restarted with the new settings: workers 0-2\n"
          "takes effect when the supervisor is restarted: workers\n");
    rewrite(run, script_worker("[ $0 = worker-1 ] && exit 3; " + std::string(kGood)) +
                     "[restart]\ninitial = \"1h\"\nmaximum = \"1h\"\n");
    const std::string failed = ctl.run({"reload"}, 1);
    CHECK(contains(failed,
                   "the roll-out stopped at worker 1, which exited with status 3: it was rolled "
                   "back to its old command, which those after it have too; worker 0 has the new "
                   "one"));
    CHECK(contains(failed, "autopsy 1"));
    rewrite(run, script_worker(kGood));
    CHECK(contains(ctl.run({"reload"}), "restarted with the new settings: workers 0-2"));
    CHECK(number(ctl.answer({"status"}), "ready") == 3);
}

TEST_CASE("the log level, the metrics and the versions are those of the supervisor") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    CHECK(ctl.run({"log-level"}) == "info\n");
    CHECK(ctl.run({"log-level", "debug"}) == "debug\n");
    CHECK(text(ctl.answer({"log-level"}), "level") == "debug");
    CHECK(ctl.run({"restart", "2"}) == "restarted worker 2\n");
    require_line(supervisor, "supervisor: worker 2: restart, now restarting");
    const std::string group = "{group=\"" + run.group() + "\"";
    CHECK(contains(ctl.run({"metrics"}), "\nshmipc_workers_ready" + group + "} 3\n"));
    CHECK(contains(ctl.run({"metrics"}),
                   "\nshmipc_worker_ordered_restarts_total" + group + ",worker=\"2\"} 1\n"));
    CHECK(contains(ctl.run({"version"}),
                   "(group " + run.group() + ", pid " + std::to_string(supervisor.pid()) + ")"));
}

TEST_CASE("clean is refused while a worker runs; after it the group begins anew") {
    const SupervisorRun run;
    const Ctl ctl(run);
    {
        Process supervisor = run.start(stock_worker());
        std::vector<pid_t> workers;
        for (unsigned i = 0; i < 3; ++i) {
            workers.push_back(require_started(supervisor, i));
        }
        require_line(supervisor, "3/3 workers ready");
        const std::string refused = "a supervisor runs group '" + run.group() + "' (pid " +
                                    std::to_string(supervisor.pid()) +
                                    "): stop it first; nothing was removed";
        CHECK(contains(ctl.run({"clean"}, 1), refused));
        CHECK(run.objects().size() == 4);  // and the lock file
        // Also while none of its workers runs, who could not tell.
        CHECK(contains(ctl.run({"stop", "all"}), "stopped workers"));
        CHECK(contains(ctl.run({"clean"}, 1), refused));
        CHECK(contains(ctl.run({"start", "all"}), "started workers"));
        workers.clear();
        for (unsigned i = 0; i < 3; ++i) {
            workers.push_back(require_started(supervisor, i));
        }
        CHECK(run.objects().size() == 4);
        CHECK(ctl.run({"stop", "1"}) == "stopped worker 1\n");
        supervisor.signal(SIGKILL);
        supervisor.wait();
        for (const pid_t worker : workers) {
            REQUIRE(ends(worker));
        }
    }
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"status"},
                                               {"stop", "1"},
                                               {"start", "all"},
                                               {"kill", "0"},
                                               {"watch"},
                                               {"autopsy", "1"},
                                               {"console"},
                                               {"reload"},
                                               {"log-level"},
                                               {"metrics"}}) {
        CAPTURE(command.front());
        const std::string output = ctl.run(command, 69);
        CHECK(contains(output, "shmipcctl: no supervisor runs group '" + run.group() +
                                   "': nobody listens on " + control_path(run)));
        CHECK(contains(output, "start it with: shmipc-supervisor --group " + run.group() +
                                   " --runtime-dir " + run.directory()));
    }
    CHECK(contains(ctl.run({"version"}), "supervisor unknown: no supervisor runs"));
    CHECK(number(ctl.answer({"peek", "0"}), "sequence") > 0);
    CHECK(ctl.run({"clean"}) == "removed the objects of group '" + run.group() + "'\n");
    CHECK(run.objects().empty());
    CHECK(contains(ctl.run({"clean"}), "nothing to remove"));
    CHECK(contains(ctl.run({"peek", "0"}, 1), "has not been started, or has been removed"));
    // Nor does the stop hold: stock workers would wait for worker 1 until the start has failed.
    Process next = run.start(stock_worker());
    require_line(next, "3/3 workers ready");
}

TEST_CASE("top goes on while its supervisor is killed and the next is started") {
    const SupervisorRun run;
    const Ctl ctl(run);
    const auto title = [&](const Process& supervisor) {
        return "3/3 workers ready, supervisor pid " + std::to_string(supervisor.pid());
    };
    Process first = run.start(stock_worker());
    require_line(first, "3/3 workers ready");
    Pty top(ctl.command({"top", "--interval", "100ms"}), 24, 120);
    const termios& before = top.first_modes();
    REQUIRE(top.wait_for(title(first)));
    REQUIRE(top.wait_for("running"));
    CHECK_FALSE(same_modes(before, top.modes()));
    first.signal(SIGKILL);
    first.wait();
    CHECK(top.wait_for("no supervisor: "));
    CHECK(top.wait_for("trying again"));
    Process second = run.start(stock_worker());
    CHECK(top.wait_for("supervisor pid " + std::to_string(second.pid())));
    require_line(second, "3/3 workers ready");
    CHECK(ctl.run({"stop", "2"}) == "stopped worker 2\n");
    CHECK(top.wait_for("stopped"));
    top.type("q");
    CHECK(top.exit_code() == 0);
    CHECK(same_modes(before, top.modes()));
    CHECK(number(ctl.answer({"status"}), "ready") == 2);  // which does not mind
}

TEST_CASE("a supervisor that is stopped with SIGSTOP is told as such by top and by a command") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    Pty top(ctl.command({"top"}), 24, 120);
    REQUIRE(top.wait_for("running"));
    supervisor.signal(SIGSTOP);
    Process status(ctl.command({"status"}));
    CHECK(top.wait_for("no answer from the supervisor for "));
    CHECK(status.exit_code() == 69);
    CHECK(contains(status.output(), "has not answered within 10s: it is stopped"));
    supervisor.signal(SIGCONT);
    CHECK(top.wait_for("3/3 workers ready"));
    top.type("q");
    CHECK(top.exit_code() == 0);
}

TEST_CASE("the console toggles a worker over supervisors' lives, and q leaves the group running") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process first = run.start(script_worker(kGood));
    require_line(first, "3/3 workers ready");
    Pty console(ctl.command({"console"}), 24, 250);
    REQUIRE(console.wait_for("console of group " + run.group() + ": 0 … 2 and Return"));
    console.type("1\n");
    CHECK(console.wait_for("toggle worker 1, ordered by uid "));
    CHECK(console.wait_for("was killed by signal 9 (KILL)"));
    CHECK(ctl.state(1) == "stopped");
    console.type("1\n");
    CHECK(console.wait_for(" started"));
    first.signal(SIGKILL);
    first.wait();
    CHECK(console.wait_for("lost the supervisor of group"));
    Process second = run.start(script_worker(kGood));
    CHECK(console.wait_for("connected again"));
    require_line(second, "3/3 workers ready");
    console.type("0\n");
    CHECK(console.wait_for("it stays down"));
    console.type("q\n");
    CHECK(console.exit_code() == 0);
    CHECK(number(ctl.answer({"status"}), "ready") == 2);
    std::string piped = "echo 0 |";
    for (const std::string& word : ctl.command({"console"})) {
        piped += " '" + word + "'";
    }
    Process pipe({"/bin/sh", "-c", piped});
    CHECK(pipe.exit_code() == 0);  // at the end of input, the order given
    require_line(second, "toggle worker 0, ordered by uid ");
    CHECK(ctl.run({"start", "0"}) == "started worker 0\n");
    CHECK(number(ctl.answer({"status"}), "ready") == 3);
}

TEST_CASE("wait --ready ends when the group is whole, and status --check says whether it is") {
    const SupervisorRun run;
    const Ctl ctl(run);
    Process early(ctl.command({"wait", "--ready", "--timeout", "1h"}));
    CHECK(contains(ctl.run({"wait", "--ready"}, 69), "no supervisor runs"));
    const std::string broken = run.directory() + "/broken";
    Process supervisor =
        run.start(script_worker("[ $0 = worker-0 ] && [ -e " + broken + " ] && exit 3; " + kGood) +
                  "[restart]\ninitial = \"1ms\"\nmaximum = \"1ms\"\nmax_restarts = 2\n");
    CHECK(early.exit_code() == 0);
    CHECK(contains(early.output(), "workers 0-2 are ready"));
    CHECK(contains(ctl.run({"status", "--check"}), "3/3 workers ready"));
    CHECK(ctl.run({"stop", "1"}) == "stopped worker 1\n");
    CHECK(contains(ctl.run({"status", "--check"}), "stopped"));  // as it was ordered
    CHECK(contains(ctl.run({"wait", "--ready"}), "are ready"));
    std::ofstream(broken) << "x";
    CHECK(ctl.run({"kill", "0"}) == "sent signal 9 (KILL) to worker 0\n");
    require_line(supervisor, "it is given up");
    CHECK(contains(ctl.run({"wait", "--ready", "0"}, 1), "worker 0 was given up"));
    CHECK(contains(ctl.run({"status", "--check"}, 2), "worker 0 is failed"));
    CHECK(contains(ctl.run({"status", "--failed"}), "failed"));
    CHECK_FALSE(contains(ctl.run({"status", "--failed"}), "running"));
}
