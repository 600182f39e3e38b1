// The console through a real terminal, as run.sh ends in it.
#include "base/os.hpp"
#include "run_fixture.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;

namespace {

/// A program that has a terminal of its own. Killed with the object, and with the test.
class Terminal {
  public:
    explicit Terminal(std::vector<std::string> command) {
        std::vector<char*> arguments;
        arguments.reserve(command.size() + 1);
        for (std::string& argument : command) {
            arguments.push_back(argument.data());
        }
        arguments.push_back(nullptr);
        int master = -1;
        pid_ = ::forkpty(&master, nullptr, nullptr, nullptr);
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
        master_ = os::Fd(master);
    }
    ~Terminal() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(const std::string& text) const {
        REQUIRE(::write(master_.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
    void hang_up() { master_.reset(); }

    /// Reads until a new line contains `text`, and returns that line.
    std::string require(const std::string& text) {
        for (;;) {
            for (std::size_t end = seen_.find('\n', consumed_); end != std::string::npos;
                 end = seen_.find('\n', consumed_)) {
                const std::string line = seen_.substr(consumed_, end - consumed_);
                consumed_ = end + 1;
                if (line.find(text) != std::string::npos) {
                    return line;
                }
            }
            REQUIRE_MESSAGE(read_more(), "no line with '" << text << "' in:\n" << seen_);
        }
    }
    /// Exit code, with what is still to be read; −1 if it was killed or does not end.
    int exit_code() {
        while (master_ && read_more()) {
        }
        int status = -1;
        const pid_t pid = std::exchange(pid_, -1);
        if (!ends(pid)) {
            ::kill(pid, SIGKILL);
        }
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    bool read_more() {
        pollfd waiting{.fd = master_.get(), .events = POLLIN, .revents = 0};
        char buffer[4096];
        if (os::retry([&] { return ::poll(&waiting, 1, 60'000); }) != 1) {
            return false;
        }
        const ssize_t got =
            os::retry([&] { return ::read(master_.get(), buffer, sizeof(buffer)); });
        seen_.append(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
        return got > 0;  // EIO: nobody has the terminal open any more
    }

    pid_t pid_ = -1;
    os::Fd master_;
    std::string seen_;
    std::size_t consumed_ = 0;
};

}  // namespace

TEST_CASE("a number and Return kills a worker, which stays down; the same again starts it") {
    const SupervisorRun run;
    Terminal terminal(run.command(stock_worker(), {"--console"}));
    terminal.require("console: 0 … 2 and Return");
    terminal.require("3/3 workers ready");
    for (int round = 1; round <= 2; ++round) {
        CAPTURE(round);
        terminal.type("1\n");
        const std::string death = terminal.require("was killed by signal 9 (KILL)");
        CHECK(death.find("worker 1 (pid ") != std::string::npos);
        CHECK(death.find("; it stays down") != std::string::npos);
        CHECK(ends(pid_in(death)));
        terminal.require("2: write ");  // the others go on
        terminal.type("1\n");
        terminal.require("1: attached, incarnation " + std::to_string(round + 1));
        terminal.require("1: write ");
    }
    terminal.type("7\n");
    terminal.require("console: 0 … 2 and Return");
    terminal.type("nonsense\n");
    terminal.require("console: 0 … 2 and Return");
    terminal.type("q\n");
    terminal.require("q: stopping all workers");
    CHECK(terminal.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("all workers may be down, and come back") {
    const SupervisorRun run;
    Terminal terminal(run.command(stock_worker(), {"--console"}));
    terminal.require("3/3 workers ready");
    terminal.type("0\n1\n2\n");
    for (int i = 0; i < 3; ++i) {
        terminal.require("it stays down");
    }
    terminal.type("0\n");
    terminal.require("0: attached, incarnation 2");
    terminal.type("\x04");  // Ctrl-D: end of input
    terminal.require("end of input: stopping all workers");
    CHECK(terminal.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("a worker in backoff is kept down by its number") {
    const SupervisorRun run;
    Terminal terminal(run.command("workers = 2\n" +
                                      script_worker("case $0 in worker-1) [ -e " + run.directory() +
                                                    "/lived ] && exit 3; : >" + run.directory() +
                                                    "/lived;; esac; echo >&3; exec sleep 1000") +
                                      "[restart]\ninitial = \"1h\"\nmaximum = \"1h\"\n",
                                  {"--console"}));
    const pid_t pid = pid_in(terminal.require("worker 1 (pid "));
    terminal.require("2/2 workers ready");
    REQUIRE(::kill(pid, SIGKILL) == 0);
    terminal.require("(2 deaths in a row)");
    terminal.type("1\n");  // from backoff to down
    terminal.type("1\n");  // and up again at once: in backoff it would have taken an hour
    terminal.require("worker 1 (pid ");
    terminal.type("q\n");
    CHECK(terminal.exit_code() == 0);
}

TEST_CASE("Ctrl-C and a hang-up of the terminal stop the whole group") {
    const SupervisorRun run;
    {
        Terminal terminal(run.command(stock_worker(), {"--console"}));
        terminal.require("3/3 workers ready");
        terminal.type("\x03");
        terminal.require("SIGINT: stopping all workers");
        CHECK(terminal.exit_code() == 0);
        CHECK(run.objects().empty());
    }
    Terminal terminal(run.command(stock_worker(), {"--console"}));
    terminal.require("3/3 workers ready");
    terminal.hang_up();
    CHECK(terminal.exit_code() == 0);
    CHECK(run.objects().empty());
}

TEST_CASE("a supervisor without a console ends with its terminal, too, unless told otherwise") {
    const std::string quiet =
        script_worker("echo >&3; exec sleep 1000") + "heartbeat_limit = \"0s\"\n";
    {
        const SupervisorRun run;
        Terminal terminal(run.command(quiet));
        terminal.require("3/3 workers ready");
        terminal.hang_up();
        CHECK(terminal.exit_code() == 0);
        CHECK(run.objects().empty());
    }
    const SupervisorRun run;
    std::vector<std::string> command = run.command(quiet);
    std::string shell = "trap '' HUP; exec";
    for (const std::string& word : command) {
        shell += " '" + word + "'";
    }
    const std::string file = run.directory() + "/output";
    Terminal terminal({"/bin/sh", "-c", "echo $$; " + shell + " >" + file + " 2>&1"});
    const pid_t pid = static_cast<pid_t>(std::stol(terminal.require("")));
    const auto wait_for = [&file](const std::string& text) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        std::string seen;
        while (seen.find(text) == std::string::npos &&
               std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
            std::ifstream stream(file);
            seen.assign(std::istreambuf_iterator<char>(stream), {});
        }
        CHECK_MESSAGE(seen.find(text) != std::string::npos, seen);
    };
    wait_for("3/3 workers ready");
    terminal.hang_up();
    wait_for("the terminal is gone; that is ignored");
    REQUIRE(::kill(pid, SIGHUP) == 0);
    wait_for("configuration");  // and a reload is a reload again
    REQUIRE(::kill(pid, SIGTERM) == 0);
    CHECK(terminal.exit_code() == 0);
}

TEST_CASE("workers have no terminal: neither its modes nor its tostop can stop them") {
    const SupervisorRun run;
    Terminal terminal(run.command(
        "workers = 2\n" + script_worker("stty tostop </dev/tty || echo no terminal; stty sane <&1; "
                                        "(: </dev/tty) || echo none here; echo >&3; "
                                        "exec sleep 1000"),
        {"--console"}));
    terminal.require("no terminal");
    terminal.require("none here");
    terminal.require("2/2 workers ready");
    terminal.type("q\n");
    CHECK(terminal.exit_code() == 0);
}
