// Whoever belongs to a worker goes with it: families that do not stay together, with the real
// supervisor.
#include "run_fixture.hpp"
#include <shmipc/group.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace std::chrono_literals;

namespace {

std::string stray_worker(const std::string& how) {
    return "workers = 2\n[worker]\ncommand = [\"" SHMIPC_STRAY_WORKER "\", \"" + how + "\"]\n";
}

/// The pids that the workers' families have named so far.
std::vector<pid_t> named_in(const std::string& output, const std::string& what) {
    std::vector<pid_t> pids;
    const std::string text = " has " + what + " ";
    for (std::size_t at = output.find(text); at != std::string::npos;
         at = output.find(text, at + 1)) {
        pids.push_back(static_cast<pid_t>(std::stol(output.substr(at + text.size()))));
    }
    return pids;
}

bool is_gone(pid_t pid) {
    return ::kill(pid, 0) != 0 && errno == ESRCH;
}

/// Children of the process in state Z.
std::size_t zombies_of(pid_t parent) {
    const std::string directory = "/proc/" + std::to_string(parent);
    std::ifstream children(directory + "/task/" + std::to_string(parent) + "/children");
    std::size_t zombies = 0;
    for (pid_t child = 0; children >> child;) {
        std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
        std::string text;
        std::getline(stat, text);
        zombies += text.find(") Z ") != std::string::npos ? 1U : 0U;
    }
    return zombies;
}

/// The guard beside a supervisor, if there is one now.
std::optional<pid_t> find_guard(pid_t supervisor) {
    std::ifstream children("/proc/" + std::to_string(supervisor) + "/task/" +
                           std::to_string(supervisor) + "/children");
    for (pid_t child = 0; children >> child;) {
        std::ifstream name("/proc/" + std::to_string(child) + "/comm");
        std::string text;
        if (std::getline(name, text) && text == "shmipc-guard") {
            return child;
        }
    }
    return std::nullopt;
}

/// The guard beside a supervisor; -1 if none comes.
pid_t guard_of(pid_t supervisor) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (const auto guard = find_guard(supervisor)) {
            return *guard;
        }
        std::this_thread::sleep_for(5ms);
    }
    return -1;
}

std::string real_in_script() {
    return "[worker]\ncommand = [\"/bin/sh\", \"-c\", \"" SHMIPC_WORKER
           " --group {group} --workers {workers} --index {index}; exit $?\"]\n";
}

/// All that belongs to worker 0 ends when its main process is killed, and to both when the
/// supervisor ends.
void check_family(const std::string& how, std::size_t others) {
    CAPTURE(how);
    SupervisorRun run;
    Process supervisor = run.start(stray_worker(how));
    const pid_t main = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    std::vector<pid_t> before;
    for (const auto* what : {"child", "leader", "daemon"}) {
        for (const pid_t pid : named_in(supervisor.output(), what)) {
            before.push_back(pid);
        }
    }
    REQUIRE(before.size() == 2 * others);
    REQUIRE(::kill(main, SIGKILL) == 0);
    require_line(supervisor, "(pid " + std::to_string(main) + ") was killed by signal 9");
    // The next one was started only when nothing of the one before was left.
    std::size_t gone = 0;
    for (const pid_t pid : before) {
        gone += is_gone(pid) ? 1U : 0U;
    }
    CHECK(gone == others);
    require_line(supervisor, " started");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    for (const auto* what : {"child", "leader", "daemon"}) {
        for (const pid_t pid : named_in(supervisor.output(), what)) {
            CHECK(is_gone(pid));
        }
    }
}

}  // namespace

TEST_CASE("what a worker leaves behind ends with it, whatever group or session it has moved to") {
    check_family("to-supervisors-group", 1);
    check_family("to-childs-group", 2);
    check_family("daemon", 1);
    check_family("generations", 19);
}

TEST_CASE("a daemon that has shed all that tells whose it is ends with the supervisor at last") {
    SupervisorRun run;
    Process supervisor = run.start(stray_worker("bare-daemon"));
    require_line(supervisor, "2/2 workers ready");
    const std::vector<pid_t> daemons = named_in(supervisor.output(), "daemon");
    REQUIRE(daemons.size() == 2);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(is_gone(daemons.at(0)));
    CHECK(is_gone(daemons.at(1)));
}

TEST_CASE("a worker in a session of its own is stopped gently, and is gone when it is said") {
    SupervisorRun run;
    Process supervisor = run.start(
        "[log]\nlevel = \"debug\"\n[worker]\ncommand = [\"setsid\", \"--fork\", \"--wait\", "
        "\"" SHMIPC_WORKER
        "\", \"--group\", \"{group}\", \"--workers\", \"{workers}\", \"--index\", \"{index}\"]\n");
    require_line(supervisor, "3/3 workers ready");
    const Group group = Group::open(run.group());
    const auto real = group.vital_signs(WorkerIndex{1});
    REQUIRE(real);
    const auto real_pid = static_cast<pid_t>(real->pid);
    CHECK(::getsid(real_pid) == real_pid);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(is_gone(real_pid));
    // Not killed when the wrapper died of SIGTERM: each wrote its last word itself.
    CHECK(occurrences(supervisor.output(), "left") == 0);
    for (const auto* worker : {"0", "1", "2"}) {
        const auto last = group.vital_signs(WorkerIndex{static_cast<std::uint32_t>(*worker - '0')});
        CHECK((last && last->state == layout::WorkerState::kStopped));
    }
    CHECK(run.objects().empty());
}

TEST_CASE(
    "a real worker that ignores SIGTERM, in a session of its own, is killed after the grace time") {
    SupervisorRun run;
    Process supervisor = run.start(script_worker("exec setsid --fork --wait sh -c \"trap : TERM; "
                                                 "echo >&3; while :; do sleep 0.05; done\"") +
                                   "stop_grace = \"200ms\"\n");
    require_line(supervisor, "3/3 workers ready");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("orphans of a worker's helpers are reaped while it runs") {
    SupervisorRun run;
    Process supervisor = run.start(script_worker(
        "for i in 1 2 3 4 5; do (sleep 0.01 & ); done; sleep 0.1; echo >&3; exec sleep 1000"));
    require_line(supervisor, "3/3 workers ready");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (zombies_of(supervisor.pid()) != 0 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(20ms);
    }
    CHECK(zombies_of(supervisor.pid()) == 0);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("a worker that has itself traced is no dead one: its signal reaches it, and it goes on") {
    SupervisorRun run;
    Process supervisor = run.start(stray_worker("traced"));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "2/2 workers ready");
    CHECK(occurrences(supervisor.output(), "was sent USR1") == 2);
    REQUIRE(::kill(pid, 0) == 0);
    CHECK(zombies_of(supervisor.pid()) == 0);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(occurrences(supervisor.output(), "restarting") == 0);
    CHECK(is_gone(pid));
}

TEST_CASE("a worker that executes another program under a trace that nobody wants goes on") {
    SupervisorRun run;
    Process supervisor = run.start(stray_worker("traced-exec"));
    require_line(supervisor, "2/2 workers ready");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(occurrences(supervisor.output(), "restarting") == 0);
}

TEST_CASE("after kill -9 of the supervisor nothing of its workers lives on") {
    SupervisorRun run;
    std::vector<pid_t> real;
    {
        Process supervisor = run.start(real_in_script());
        require_line(supervisor, "3/3 workers ready");
        const Group group = Group::open(run.group());
        for (const std::uint32_t i : {0U, 1U, 2U}) {
            real.push_back(static_cast<pid_t>(group.vital_signs(WorkerIndex{i}).value().pid));
        }
        CHECK(::kill(real.at(0), 0) == 0);
        const pid_t guard = guard_of(supervisor.pid());
        REQUIRE(guard > 0);
        supervisor.signal(SIGKILL);
        for (const pid_t pid : real) {
            CHECK(ends(pid));
        }
        CHECK(ends(guard));
    }
    Process next = run.start(real_in_script());
    require_line(next, "3/3 workers ready");
    next.signal(SIGTERM);
    CHECK(next.exit_code() == 0);
}

TEST_CASE("the next supervisor ends what one that was killed has left, whatever hides it") {
    SupervisorRun run;
    std::vector<pid_t> daemons;
    {
        Process supervisor = run.start(stray_worker("bare-daemon"));
        require_line(supervisor, "2/2 workers ready");
        daemons = named_in(supervisor.output(), "daemon");
        REQUIRE(daemons.size() == 2);
        // It has seen them: a pass a second.
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        const auto kept = [&] {
            std::ifstream file(run.directory() + "/" + run.group() + ".life");
            const std::string text{std::istreambuf_iterator<char>(file), {}};
            return occurrences(text, "\n") == 3;
        };
        while (!kept() && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(20ms);
        }
        REQUIRE(kept());
        const pid_t guard = guard_of(supervisor.pid());
        REQUIRE(guard > 0);
        REQUIRE(::kill(guard, SIGSTOP) == 0);
        supervisor.signal(SIGKILL);
        REQUIRE(::kill(guard, SIGKILL) == 0);
    }
    CHECK(::kill(daemons.at(0), 0) == 0);
    Process next = run.start(script_worker("echo >&3; exec sleep 1000"));
    require_line(next,
                 "the supervisor before was killed, and left 2 processes of its workers: killed");
    require_line(next, "3/3 workers ready");
    CHECK(ends(daemons.at(0)));  // whoever reaps it
    CHECK(ends(daemons.at(1)));
    next.signal(SIGTERM);
    CHECK(next.exit_code() == 0);
}

TEST_CASE("a guard that dies is replaced, and leaves no zombie") {
    SupervisorRun run;
    Process supervisor = run.start(script_worker("echo >&3; exec sleep 1000"));
    require_line(supervisor, "3/3 workers ready");
    const pid_t guard = guard_of(supervisor.pid());
    REQUIRE(guard > 0);
    REQUIRE(::kill(guard, SIGKILL) == 0);
    CHECK(ends(guard));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!is_gone(guard) && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(20ms);
    }
    CHECK(is_gone(guard));
    CHECK(guard_of(supervisor.pid()) > 0);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("only what systemd itself has started goes without a guard") {
    const SupervisorRun run;
    const std::vector<std::string> environment{"NOTIFY_SOCKET=" + run.directory() + "/notify"};
    const std::string toml = script_worker("echo >&3; exec sleep 1000");
    {
        // From a container's shell, or called by a service: nobody ends what is left.
        Process inherited(run.command(toml), environment);
        require_line(inherited, "3/3 workers ready");
        CHECK(guard_of(inherited.pid()) > 0);
        inherited.signal(SIGTERM);
        CHECK(inherited.exit_code() == 0);
    }
    Process service(run.command_of_systemd(toml), environment);
    require_line(service, "3/3 workers ready");
    CHECK_FALSE(find_guard(service.pid()));
    service.signal(SIGTERM);
    CHECK(service.exit_code() == 0);
}
