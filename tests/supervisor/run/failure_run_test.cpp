// The supervisor with workers that do what they should not. Scripts of sh stand for them.
#include "base/os.hpp"
#include "control_fixture.hpp"
#include "run_fixture.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace shmipc::test;
using namespace std::chrono_literals;
namespace varlink = shmipc::varlink;
namespace json = boost::json;

namespace {

/// Good in its first life; `then` in each later one.
std::string good_once(const SupervisorRun& run, const std::string& then) {
    const std::string mark = run.directory() + "/lived-$0";
    return "[ -e " + mark + " ] && { " + then + "; }; : >" + mark + "; " + kGood;
}

/// A service manager that listens to one supervisor after the other.
class Manager {
  public:
    explicit Manager(const SupervisorRun& run)
        : path_(run.directory() + "/notify"),
          socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path_.size() < sizeof(address.sun_path));
        std::memcpy(address.sun_path, path_.c_str(), path_.size());
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)) == 0);
    }
    [[nodiscard]] std::vector<std::string> environment() const {
        return {"NOTIFY_SOCKET=" + path_};
    }
    /// The first message from now on that contains `text`; empty if none comes.
    [[nodiscard]] std::string wait_for(const std::string& text) const {
        std::string message;
        return wait_until([&](const std::string& next) {
            message = next;
            return next.find(text) != std::string::npos;
        })
                   ? message
                   : "";
    }
    /// Whether a message with each of the texts comes from now on, in whatever order.
    [[nodiscard]] bool wait_for_all(std::vector<std::string> texts) const {
        return wait_until([&](const std::string& next) {
            std::erase_if(texts, [&](const std::string& text) {
                return next.find(text) != std::string::npos;
            });
            return texts.empty();
        });
    }

  private:
    template <typename Done>
    bool wait_until(Done done) const {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        std::array<char, 8192> bytes{};
        while (std::chrono::steady_clock::now() < deadline) {
            pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
            ::poll(&readable, 1, 1000);
            const ssize_t length = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (length > 0 && done(std::string(bytes.data(), static_cast<std::size_t>(length)))) {
                return true;
            }
        }
        return false;
    }

    std::string path_;
    shmipc::os::Fd socket_;
};

}  // namespace

TEST_CASE("a missing program is told once for each worker, with its path, and ends the start") {
    const SupervisorRun run;
    for (const std::string program : {"/nonexistent/worker", "no-such-worker"}) {
        CAPTURE(program);
        Process supervisor = run.start("[worker]\ncommand = [\"" + program + "\"]\n");
        require_line(supervisor, "no worker could be started");
        CHECK(supervisor.exit_code() == 78);
        CHECK(occurrences(supervisor.output(), "cannot be executed: " + program + ": ") == 3);
        CHECK(occurrences(supervisor.output(), "restarting") == 0);
        CHECK(run.objects().empty());
    }
}

TEST_CASE("a file that is not executable is told with the system's reason") {
    const SupervisorRun run;
    Process supervisor = run.start("[worker]\ncommand = [\"/etc/passwd\"]\n");
    CHECK(supervisor.exit_code() == 78);
    CHECK(occurrences(supervisor.output(), "cannot be executed: /etc/passwd: Permission denied") ==
          3);
}

TEST_CASE("a program that is just being written is tried again, and runs when that is over") {
    const SupervisorRun run;
    const std::string program = run.directory() + "/worker";
    std::filesystem::copy_file("/bin/sh", program);
    // Close-on-exec, which a stream's is not: the supervisor would inherit it.
    const int writer = ::open(program.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(writer >= 0);
    Process supervisor = run.start("[worker]\ncommand = [\"" + program + R"(", "-c", ")" +
                                   std::string(kGood) + "\"]\n");
    require_line(supervisor, "cannot be executed now: " + program + ": Text file busy");
    REQUIRE(::close(writer) == 0);
    require_line(supervisor, "3/3 workers ready");
    CHECK(supervisor.output().find("could not be executed after ") != std::string::npos);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("where no more processes are allowed it is tried again, and all else goes on") {
    const SupervisorRun run;
    const std::string limit = run.directory() + "/limit";
    const auto set_limit = [&] { std::ofstream(limit) << "none"; };
    set_limit();
    Process supervisor(run.command(stock_worker()),
                       preloading(SHMIPC_REFUSE_FORK, "SHMIPC_TEST_NO_FORK=" + limit));
    for (const char* const worker : {"0", "1", "2"}) {
        const std::string line =
            require_line(supervisor, std::string("worker ") + worker + " cannot be forked: ");
        CHECK(line.find("fork: Resource temporarily unavailable") != std::string::npos);
        CHECK(line.find("LimitNPROC=") != std::string::npos);
    }
    REQUIRE(std::filesystem::remove(limit));
    require_line(supervisor, "3/3 workers ready");

    varlink::Client client = connect(run);
    const json::array before = status(client);
    set_limit();
    CHECK(::kill(static_cast<pid_t>(number(before.at(1), "pid")), SIGKILL) == 0);
    // At once, and after a delay.
    require_line(supervisor, "worker 1 cannot be forked: ");
    require_line(supervisor, "worker 1 cannot be forked: ");
    REQUIRE(std::filesystem::remove(limit));
    require_started(supervisor, 1);
    require_new_messages(run);
    const json::array after = status(client);
    for (const std::size_t other : {0U, 2U}) {
        CHECK(number(after.at(other), "pid") == number(before.at(other), "pid"));
    }
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("one worker that cannot be executed leaves the others running") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker(kGood) + "[worker.1]\ncommand = [\"/nonexistent\"]\n");
    require_line(supervisor,
                 "2/3 workers ready: worker 1 failed: /nonexistent: No such file or directory");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("one worker that cannot be executed ends the start if failures end the group") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood) +
                                   "[worker.1]\ncommand = [\"/nonexistent\"]\n"
                                   "[restart]\non_failure = \"exit\"\n");
    CHECK(supervisor.exit_code() == 78);
    CHECK(run.objects().empty());
}

TEST_CASE("a worker that is not ready in time leaves the others running, and is tried again") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood) +
                                   "start_limit = \"2s\"\n[worker.2]\n"
                                   "command = [\"/bin/sh\", \"-c\", \"exec sleep 1000\"]\n");
    require_line(supervisor, "2/3 workers ready: worker 2 ");
    require_line(supervisor, "(2 deaths in a row)");
    CHECK(supervisor.output().find("was not ready within 2s: killed") != std::string::npos);
    CHECK(supervisor.output().find("the start failed") == std::string::npos);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("a worker that is not ready in time fails the start where all are required") {
    for (const char* const key :
         {"start_requires = \"all\"", "start_requires = 3", "on_failure = \"exit\""}) {
        CAPTURE(key);
        const SupervisorRun run;
        Process supervisor =
            run.start(script_worker(kGood) +
                      "start_limit = \"2s\"\n[worker.2]\n"
                      "command = [\"/bin/sh\", \"-c\", \"exec sleep 1000\"]\n[restart]\n" +
                      key + "\n");
        const std::string line =
            require_line(supervisor,
                         "the start failed: not ready within 2s, 2/3 workers ready and all "
                         "required: worker 2 ");
        CHECK(line.find("shmipc-supervisor --group " + run.group()) != std::string::npos);
        CHECK(supervisor.exit_code() == 69);
        CHECK(run.objects().empty());
    }
}

TEST_CASE("a start counts with as many workers as are required, and not with fewer") {
    const std::string broken = "command = [\"/bin/sh\", \"-c\", \"exit 3\"]\n";
    const std::string toml = script_worker(kGood) + "start_limit = \"2s\"\n[worker.0]\n" + broken +
                             "[worker.2]\n" + broken + "[restart]\nstart_requires = ";
    {
        const SupervisorRun run;
        Process supervisor = run.start(toml + "1\n");
        require_line(supervisor,
                     "1/3 workers ready: workers 0, 2 keep dying: exited with status 3, ");
        supervisor.signal(SIGTERM);
        CHECK(supervisor.exit_code() == 0);
    }
    {
        const SupervisorRun run;
        Process supervisor = run.start(toml + "2\n");
        require_line(supervisor, "1/3 workers ready and 2 required: workers 0, 2 ");
        CHECK(supervisor.exit_code() == 69);
        CHECK(run.objects().empty());
    }
}

TEST_CASE("a worker that dies again and again does not hold up the start of the others") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood) +
                                   "start_limit = \"1h\"\n[worker.1]\n"
                                   "command = [\"/bin/sh\", \"-c\", \"kill -SEGV $$\"]\n");
    require_line(supervisor,
                 "2/3 workers ready: worker 1 keeps dying: was killed by signal 11 (SEGV)");
    require_line(supervisor, "the group is degraded: 2/3 workers ready: worker 1 keeps dying");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE(
    "who only waits for one that was never there is not killed, and it is told who for whom") {
    const SupervisorRun run;
    const std::string mark = run.directory() + "/mended";
    const std::string real = std::string(SHMIPC_WORKER) + " --group " + run.group() +
                             " --workers 3 --index 1 --max-interval 5ms";
    Process supervisor =
        run.start(stock_worker() + "start_limit = \"3s\"\n[worker.1]\n" +
                  R"(command = ["/bin/sh", "-c", "[ -e )" + mark + " ] && exec " + real +
                  "; exit 3\"]\n" + "[restart]\nmaximum = \"500ms\"\nmax_restarts = 0\n");
    const pid_t waiting = require_started(supervisor, 0);
    const std::string line = require_line(supervisor, "0/3 workers ready: ");
    CHECK(line.find("worker 1 keeps dying: exited with status 3, ") != std::string::npos);
    CHECK(line.find("; workers 0, 2 wait for worker 1") != std::string::npos);
    // Longer than its start limit.
    std::this_thread::sleep_for(5s);
    CHECK(supervisor.output().find("was not ready") == std::string::npos);
    std::ofstream(mark) << "";
    require_line(supervisor, "the group is whole again: 3/3 workers ready");
    varlink::Client client = connect(run);
    const json::array workers = status(client);
    CHECK(number(workers[0], "pid") == waiting);
    CHECK(number(workers[0], "restarts") == 0);
    CHECK(number(workers[2], "restarts") == 0);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("a start that is held up by a worker that is stopped says so") {
    const SupervisorRun run;
    // The process itself, and one below it.
    Process supervisor =
        run.start(script_worker("kill -STOP $$") +
                  "start_limit = \"2s\"\n[worker.1]\n"
                  "command = [\"/bin/sh\", \"-c\", \"sh -c 'kill -STOP $$'; true\"]\n"
                  "[restart]\nmax_restarts = 1\ninitial = \"1ms\"\n");
    const std::string line = require_line(supervisor, "the start failed: ");
    CHECK(line.find("is stopped by a signal") != std::string::npos);
    CHECK(line.find(", that is its child ") != std::string::npos);
    CHECK(supervisor.exit_code() == 69);
}

TEST_CASE("workers that were ready in time are so for a supervisor that did not run meanwhile") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker("sleep 0.5; " + std::string(kGood)) + "start_limit = \"1s\"\n");
    for (std::uint32_t i = 0; i < 3; ++i) {
        require_started(supervisor, i);
    }
    supervisor.signal(SIGSTOP);
    std::this_thread::sleep_for(12s);
    supervisor.signal(SIGCONT);
    require_line(supervisor, "3/3 workers ready");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("rubbish where readiness is told neither makes a worker ready nor keeps anybody busy") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker(kGood) +
                  "start_limit = \"1s\"\n[worker.1]\ncommand = [\"/bin/sh\", \"-c\", "
                  "\"cat /dev/zero >&3; exec sleep 1000\"]\n"
                  "[restart]\nstart_requires = \"all\"\n");
    require_line(supervisor, "the start failed: not ready within 1s, ");
    CHECK(supervisor.exit_code() == 69);
}

TEST_CASE("a stop by order during the first start is not held against the next one") {
    const SupervisorRun run;
    {
        Process first = run.start(stock_worker() +
                                  "start_limit = \"1s\"\n[worker.1]\n"
                                  "command = [\"/bin/sh\", \"-c\", \"exec sleep 1000\"]\n"
                                  "[restart]\non_failure = \"exit\"\n");
        require_started(first, 1);
        connect(run).call("io.shmipc.Stop", {{"workers", {1}}});
        require_line(first, "; stopped by order: worker 1, for which others may wait");
        CHECK(first.exit_code() == 69);
    }
    Process second = run.start(stock_worker());
    require_line(second, "what was stopped by order in the one before it is started");
    require_line(second, "3/3 workers ready");
}

TEST_CASE("a worker that is not ready in time later is killed, which is a death") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker(good_once(run, "exec sleep 1000")) + "start_limit = \"2s\"\n");
    const pid_t pid = require_started(supervisor, 1);
    require_line(supervisor, "3/3 workers ready");
    REQUIRE(::kill(pid, SIGKILL) == 0);
    require_line(supervisor, "restarting at once");
    require_line(supervisor, "was not ready within 2s: killed");
    require_line(supervisor, "(2 deaths in a row)");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("a worker that dies again and again is given up, and the others go on") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood) +
                                   "[worker.1]\ncommand = [\"/bin/sh\", \"-c\", \"exit 3\"]\n"
                                   "[restart]\nmax_restarts = 3\ninitial = \"1ms\"\n");
    require_line(supervisor, "worker 1 failed: 3 restarts within 1m were not enough");
    CHECK(supervisor.output().find("2/3 workers ready: worker 1 ") != std::string::npos);
    CHECK(occurrences(supervisor.output(), "exited with status 3 after ") == 4);
    CHECK(occurrences(supervisor.output(), "restarting at once") == 1);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("a worker that is given up ends the group if failures end it, and messages stay") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(good_once(run, "exit 3")) +
                                   "[restart]\nmax_restarts = 2\ninitial = \"1ms\"\n"
                                   "on_failure = \"exit\"\n");
    const pid_t pid = require_started(supervisor, 1);
    require_line(supervisor, "3/3 workers ready");
    REQUIRE(::kill(pid, SIGKILL) == 0);
    CHECK(supervisor.exit_code() == 76);
    CHECK(run.objects().size() >= 3);
}

TEST_CASE("a supervisor with all workers given up does not stay as if all were well") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(good_once(run, "exit 3")) +
                                   "[restart]\nmax_restarts = 1\ninitial = \"1ms\"\n");
    const pid_t zero = require_started(supervisor, 0);
    const pid_t one = require_started(supervisor, 1);
    const pid_t two = require_started(supervisor, 2);
    require_line(supervisor, "3/3 workers ready");
    for (const pid_t pid : {zero, one, two}) {
        REQUIRE(::kill(pid, SIGKILL) == 0);
    }
    require_line(supervisor, "no worker is left");
    CHECK(supervisor.exit_code() == 76);
}

TEST_CASE("a worker that ignores SIGTERM is killed after the grace time") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker("trap \"\" TERM; echo >&3; while :; do sleep 0.05; done") +
                  "stop_grace = \"200ms\"\n");
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "3/3 workers ready");
    supervisor.signal(SIGTERM);
    require_line(supervisor, "did not end within 200ms: killed");
    CHECK(supervisor.exit_code() == 0);
    CHECK(::kill(pid, 0) != 0);
    CHECK(run.objects().empty());
}

TEST_CASE("a second SIGTERM kills at once, whatever the grace time") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker("trap \"\" TERM; echo >&3; while :; do sleep 0.05; done") +
                  "stop_grace = \"1h\"\n");
    require_line(supervisor, "3/3 workers ready");
    supervisor.signal(SIGTERM);
    require_line(supervisor, "SIGTERM: stopping all workers");
    supervisor.signal(SIGTERM);
    require_line(supervisor, "SIGTERM again: killing");
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("what a dead worker has left in its process group dies too") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker("sleep 1000 & echo \"$0 has $!\"; echo >&3; wait"));
    const std::string line = require_line(supervisor, "worker-1 has ");
    const auto orphan = static_cast<pid_t>(std::stol(line.substr(line.rfind(' ') + 1)));
    REQUIRE(::kill(orphan, 0) == 0);
    REQUIRE(::kill(::getpgid(orphan), SIGKILL) == 0);  // the leader alone: its pid names the group
    require_line(supervisor, "worker 1 (pid ");
    CHECK(ends(orphan));
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("exit code 75 of a worker that was ready is a death like any other") {
    const SupervisorRun run;
    Process supervisor =
        run.start(script_worker("trap \"exit 75\" TERM; echo >&3; while :; do sleep 0.05; done"));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "3/3 workers ready");
    REQUIRE(::kill(pid, SIGTERM) == 0);
    require_line(supervisor, "exited with status 75");
    CHECK(occurrences(supervisor.output(), "running elsewhere") == 0);
}

TEST_CASE("SIGHUP without a console reads the configuration again, and says so") {
    const SupervisorRun run;
    Process supervisor = run.start(script_worker(kGood));
    const pid_t pid = require_started(supervisor, 0);
    require_line(supervisor, "3/3 workers ready");
    supervisor.signal(SIGHUP);
    require_line(supervisor, "configuration reloaded; nothing changed");
    REQUIRE(::kill(pid, SIGKILL) == 0);
    CHECK(require_started(supervisor, 0) != pid);
}

TEST_CASE("a supervisor whose output has lost its reader stops in order") {
    const SupervisorRun run;
    // Deaths without end, so that there is always a next line for the log to write.
    const std::string toml = script_worker("echo >&3; sleep 0.02; exit 3") +
                             "[restart]\nmax_restarts = 0\ninitial = \"1ms\"\n"
                             "maximum = \"20ms\"\n";
    std::string command;
    for (const std::string& word : run.command(toml)) {
        command += "'" + word + "' ";
    }
    Process shell(
        {"/bin/sh", "-c", "exec 4>&1; { " + command + "; echo exit $? >&4; } | head -n 1"});
    require_line(shell, "exit 0");
    CHECK(run.objects().empty());
}

TEST_CASE("a wrong configuration is told with its place and exits 78; --check starts nothing") {
    const SupervisorRun run;
    Process wrong = run.start("workers = 3\nworkrs = 4\n");
    CHECK(wrong.exit_code() == 78);
    CHECK(wrong.output().find("config.toml:2:1: unknown key 'workrs'") != std::string::npos);
    Process check({SHMIPC_SUPERVISOR, "--check", run.directory() + "/config.toml"});
    CHECK(check.exit_code() == 78);
    CHECK(check.output().rfind("supervisor: error: ", 0) == 0);  // for people, also in a pipe
    static_cast<void>(run.command("workers = 3\n"));             // writes the file anew
    Process good({SHMIPC_SUPERVISOR, "--check", run.directory() + "/config.toml"});
    CHECK(good.exit_code() == 0);
    CHECK(good.output().find("config.toml: valid") != std::string::npos);
    CHECK(run.objects().empty());
}

TEST_CASE("--check compares with the objects of a group that persists, and says what it finds") {
    const SupervisorRun run;
    const std::string file = run.directory() + "/config.toml";
    Process supervisor = run.start("persist = true\n" + script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    const auto check = [&](const std::string& toml) {
        std::ofstream(file) << toml;
        return Process({SHMIPC_SUPERVISOR, "--check", file, "--group", run.group()});
    };
    Process same = check("persist = true\n");
    CHECK(same.exit_code() == 0);
    Process other = check("persist = true\nworkers = 4\n");
    CHECK(other.exit_code() == 73);
    CHECK(other.output().find("config.toml: valid") != std::string::npos);
    CHECK(other.output().find("they have workers = 3, and the configuration says 4") !=
          std::string::npos);
    CHECK(other.output().find("shmipcctl --group " + run.group() + " clean") != std::string::npos);
    Process gives_up = check("persist = false\nworkers = 4\n");
    CHECK(gives_up.exit_code() == 0);
    // And so it is, also with the group stopped.
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    Process after = check("persist = true\ncapacity = 128\n");
    CHECK(after.exit_code() == 73);
    Process next({SHMIPC_SUPERVISOR, "--config", file, "--group", run.group(), "--runtime-dir",
                  run.directory()});
    CHECK(next.exit_code() == 73);
}

TEST_CASE("--check warns of what is valid and most likely not meant") {
    const SupervisorRun run;
    static_cast<void>(run.command("[worker.0]\ncommand = [\"a\"]\n"));
    Process check({SHMIPC_SUPERVISOR, "--check", run.directory() + "/config.toml"});
    CHECK(check.exit_code() == 0);
    CHECK(check.output().find("nobody gave workers 1, 2 a command") != std::string::npos);
    CHECK(check.output().find("the command of worker 0 cannot be executed here") !=
          std::string::npos);
    CHECK(check.output().find("config.toml: valid") != std::string::npos);
}

TEST_CASE("what is refused before the first worker leaves no objects") {
    const SupervisorRun run;
    const std::string control = run.directory() + "/" + run.group() + ".control";
    REQUIRE(::mkfifo(control.c_str(), 0600) == 0);
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, control + ": something that is no socket is there");
    CHECK(supervisor.exit_code() == 71);
    CHECK(run.objects().empty());
}

TEST_CASE("under a service manager starts that fail one after the other wait longer and longer") {
    const SupervisorRun run;
    const Manager manager(run);
    const std::string toml =
        script_worker("exit 3") + "[restart]\nmax_restarts = 1\ninitial = \"1ms\"\n";
    for (int i = 0; i < 2; ++i) {
        Process supervisor(run.command_of_systemd(toml), manager.environment());
        const std::string said = manager.wait_for("STATUS=failed: the start failed: ");
        CHECK(supervisor.exit_code() == 69);
        CHECK(supervisor.output().find("the last") == std::string::npos);
        CHECK(said.find("workers 0-2 failed: exited with status 3") != std::string::npos);
        CHECK(said.find("systemctl restart shmipc@" + run.group()) != std::string::npos);
    }
    {
        Process third(run.command(toml), manager.environment());
        require_line(third, "the last 2 starts failed, at last because: the start failed: ");
        CHECK(manager.wait_for("STATUS=waiting: the last 2 starts failed").find("next try in ") !=
              std::string::npos);
        CHECK(third.exit_code() == 69);
    }
    {
        // A stop ends the wait, and is the end of the count.
        Process fourth(run.command(toml), manager.environment());
        require_line(fourth, "the last 3 starts failed");
        fourth.signal(SIGTERM);
        CHECK(fourth.exit_code() == 0);
        CHECK_FALSE(std::filesystem::exists(run.directory() + "/" + run.group() + ".failures"));
    }
    Process fifth(run.command(script_worker(kGood)), manager.environment());
    require_line(fifth, "3/3 workers ready");
    // READY with the first worker that is; the status tells each, before it or after.
    CHECK(manager.wait_for_all({"READY=1", "STATUS=3/3 workers ready, 0 restarts"}));
    CHECK(fifth.output().find("the last") == std::string::npos);
    fifth.signal(SIGTERM);
    CHECK(fifth.exit_code() == 0);
}

TEST_CASE("an order begins a start that waits, and without a service manager none does") {
    const SupervisorRun run;
    const Manager manager(run);
    const std::string file = run.directory() + "/" + run.group() + ".failures";
    timespec now{};
    REQUIRE(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    const auto fail_often = [&] { std::ofstream(file) << "9 " << now.tv_sec << "\nno camera\n"; };
    fail_often();
    {
        Process supervisor(run.command(script_worker(kGood)), manager.environment());
        require_line(supervisor,
                     "the last 9 starts failed, at last because: no camera; the next "
                     "begins in 1m, or at once with: shmipcctl --group " +
                         run.group() + " start all");
        connect(run).call("io.shmipc.Start");
        require_line(supervisor, "3/3 workers ready");
        supervisor.signal(SIGTERM);
        CHECK(supervisor.exit_code() == 0);
    }
    fail_often();
    Process supervisor = run.start(script_worker(kGood));
    require_line(supervisor, "3/3 workers ready");
    CHECK(supervisor.output().find("starts failed") == std::string::npos);
}
