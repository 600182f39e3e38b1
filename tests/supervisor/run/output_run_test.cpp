// What workers write, beside what their supervisor writes: lines stay lines, and everybody's his
// own.
#include "run_fixture.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;

namespace json = boost::json;

namespace {

std::vector<json::object> objects_in(const std::string& output) {
    std::vector<json::object> objects;
    std::istringstream stream(output);
    for (std::string line; std::getline(stream, line);) {
        CAPTURE(line);
        boost::system::error_code error;
        const json::value value = json::parse(line, error);
        REQUIRE_FALSE(error);
        REQUIRE(value.is_object());
        objects.push_back(value.get_object());
    }
    return objects;
}

bool says(const json::object& object, const std::string& text) {
    const auto* const message = object.if_contains("MESSAGE");
    return message != nullptr && message->is_string() &&
           std::string(message->get_string()).find(text) != std::string::npos;
}

/// A worker 1 that lives once in full, and then dies at once, saying why; the others live on.
std::string dying_worker(const SupervisorRun& run, const std::string& last_words) {
    return "workers = 2\n" +
           script_worker("case $0 in worker-1) [ -e " + run.directory() + "/lived ] && { " +
                         last_words + "; exit 3; }; : >" + run.directory() +
                         "/lived;; esac; echo >&3; exec sleep 1000") +
           "[restart]\nmax_restarts = 1\ninitial = \"10ms\"\n";
}

}  // namespace

TEST_CASE("lines of JSON stay lines, whatever workers print between them") {
    const SupervisorRun run;
    Process supervisor = run.start(
        "workers = 2\n" +
            script_worker(
                R"(printf '50%% '; printf '{"time":"now","MESSAGE":"forged",)"
                R"("SHMIPC_ORIGIN":"supervisor"}\n[1]\n{"a":1}\n<3>bad\n\377\001\n75%% ';)"
                " echo >&3; exec sleep 1000"),
        {"--log-format", "json"});
    require_line(supervisor, "2/2 workers ready");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    int forged = 0;
    int bad = 0;
    int halves = 0;
    int own = 0;
    for (const json::object& object : objects_in(supervisor.output())) {
        const bool of_worker = object.at("SHMIPC_ORIGIN") == "worker";
        CHECK((of_worker || object.at("SHMIPC_ORIGIN") == "supervisor"));
        CHECK(object.at("SHMIPC_GROUP").as_string() == run.group().c_str());
        if (of_worker) {
            CHECK(object.contains("SHMIPC_WORKER"));
            CHECK(object.contains("SHMIPC_WORKER_PID"));
        }
        forged += says(object, "forged") && of_worker ? 1 : 0;
        own += says(object, "exited") || says(object, "was killed") ? !of_worker : 0;
        halves += says(object, "75% ") && of_worker ? 1 : 0;
        if (says(object, "bad")) {
            ++bad;
            CHECK(object.at("PRIORITY") == 3);
            CHECK(std::string(object.at("SYSLOG_IDENTIFIER").as_string()).starts_with("sh-"));
        }
    }
    CHECK(forged == 2);  // behind "50% ", so that it is a text
    CHECK(bad == 2);
    CHECK(halves == 2);  // given out at the end, before the obituary
    CHECK(own == 2);
}

TEST_CASE(
    "a worker can neither write a supervisor's line nor hide its obituary behind half of one") {
    const SupervisorRun run;
    Process supervisor = run.start(dying_worker(
        run, R"(printf 'supervisor: all is well\n1: own prefix\n0: not mine\n\033[2Jhalf')"));
    const pid_t pid = require_started(supervisor, 1);
    require_line(supervisor, "2/2 workers ready");
    REQUIRE(::kill(pid, SIGKILL) == 0);
    CHECK(require_line(supervisor, "all is well") == "1: supervisor: all is well");
    CHECK(require_line(supervisor, "own prefix") == "1: own prefix");
    CHECK(require_line(supervisor, "not mine") == "1: 0: not mine");
    CHECK(require_line(supervisor, "half") == "1: \\x1b[2Jhalf");
    const std::string obituary = require_line(supervisor, "exited with status 3");
    CHECK(obituary.starts_with("supervisor: error: worker 1 (pid "));
    CHECK(obituary.find("(last output: \"\\x1b[2Jhalf\"); ") != std::string::npos);
}

TEST_CASE("a dead worker's last words stand in its obituary, and not where its end was ordered") {
    const SupervisorRun run;
    Process supervisor =
        run.start(dying_worker(run,
                               "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $i; done;"
                               " echo camera missing >&2"),
                  {"--log-format", "json"});
    const std::string first = require_line(supervisor, "worker 1 (pid ");
    require_line(supervisor, "2/2 workers ready");
    REQUIRE(::kill(pid_in(first), SIGKILL) == 0);
    require_line(supervisor, "exited with status 3");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    bool told = false;
    for (const json::object& object : objects_in(supervisor.output())) {
        if (!object.contains("SHMIPC_EVENT") || object.at("SHMIPC_EVENT") != "worker_exited") {
            continue;
        }
        const std::string last(object.at("SHMIPC_LAST_OUTPUT").as_string());
        if (says(object, "exited with status 3")) {
            told = true;
            CHECK(says(object, "(last output: \"camera missing\")"));
            CHECK(last.starts_with("line 3\n"));
            CHECK(last.ends_with("line 11\ncamera missing"));
        } else {
            CHECK(last.empty());
        }
    }
    CHECK(told);
}

TEST_CASE("a flood of one worker keeps nobody from anything") {
    const SupervisorRun run;
    Process supervisor =
        run.start("workers = 2\n" +
                  script_worker("echo >&3; case $0 in worker-1) exec yes;; esac; exec sleep 1000"));
    require_line(supervisor, "2/2 workers ready");
    for (int i = 0; i < 3; ++i) {
        require_line(supervisor, "1: y");
    }
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    // Nobody read for a while, perhaps: then workers' lines are missing, and never the
    // supervisor's.
    CHECK(occurrences(supervisor.output(), "stopped by order); it stays down") == 2);
}

TEST_CASE("signals that mean nothing to a supervisor do not end it, and are told once") {
    const SupervisorRun run;
    Process supervisor = run.start(stock_worker());
    require_line(supervisor, "3/3 workers ready");
    const std::vector<int> signals{SIGUSR1, SIGUSR2,   SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
                                   SIGPWR,  SIGSTKFLT, SIGXCPU, SIGRTMIN,  SIGRTMAX};
    for (const int signal : signals) {
        supervisor.signal(signal);
        const std::string line = require_line(
            supervisor, "supervisor: warning: signal " + std::to_string(signal) + " (");
        CHECK(line.find("from process " + std::to_string(::getpid())) != std::string::npos);
        supervisor.signal(signal);
    }
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGTTOU, SIGWINCH, SIGURG, SIGCONT}) {
        supervisor.signal(signal);
    }
    require_line(supervisor, "1: write ");
    supervisor.signal(SIGQUIT);
    require_line(supervisor, "SIGQUIT: stopping all workers");
    CHECK(supervisor.exit_code() == 0);
    CHECK(occurrences(supervisor.output(), "means nothing to a supervisor") == signals.size());
    CHECK(run.objects().empty());
}

TEST_CASE("a supervisor that says nothing ends at once when nobody could read it any more") {
    const SupervisorRun run;
    int ends_of_pipe[2];
    REQUIRE(::pipe2(ends_of_pipe, O_CLOEXEC) == 0);
    os::Fd reader(ends_of_pipe[0]);
    std::vector<std::string> command = run.command(
        "[worker]\ncommand = [\"/bin/sh\", \"-c\", \"echo >&3; exec sleep 1000\"]\n"
        "heartbeat_limit = \"0s\"\n");
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (std::string& argument : command) {
        arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    const pid_t supervisor = ::fork();
    REQUIRE(supervisor >= 0);
    if (supervisor == 0) {
        ::dup2(ends_of_pipe[1], STDOUT_FILENO);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    ::close(ends_of_pipe[1]);
    std::string text;
    char buffer[4096];
    while (text.find("3/3 workers ready") == std::string::npos) {
        const ssize_t length =
            os::retry([&] { return ::read(reader.get(), buffer, sizeof(buffer)); });
        REQUIRE(length > 0);
        text.append(buffer, static_cast<std::size_t>(length));
    }
    reader.reset();
    int status = -1;
    if (!ends(supervisor)) {
        ::kill(supervisor, SIGKILL);
    }
    REQUIRE(::waitpid(supervisor, &status, 0) == supervisor);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(run.objects().empty());
}
