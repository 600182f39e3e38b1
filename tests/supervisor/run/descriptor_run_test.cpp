// The real programs with standard descriptors closed, readiness pipes lost, and limits met.
#include "control_fixture.hpp"
#include "run_fixture.hpp"
#include <shmipc/group.hpp>
#include <shmipc/layout.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace shmipc;
using namespace shmipc::test;
using namespace std::chrono_literals;

namespace {

/// Each set of the standard three, but the empty one.
constexpr unsigned kSubsets = 8;

/// The command, by a shell that has done `first` before.
std::vector<std::string> after(const std::string& first, std::vector<std::string> command) {
    command.insert(command.begin(), {"/bin/sh", "-c", first + R"(; exec "$0" "$@")"});
    return command;
}

std::vector<std::string> with_closed(unsigned which, std::vector<std::string> command) {
    constexpr std::array<const char*, 3> kClosings{" <&-", " >&-", " 2>&-"};
    std::string closings = "exec";
    for (unsigned fd = 0; fd < kClosings.size(); ++fd) {
        closings += (which & (1U << fd)) != 0 ? kClosings[fd] : "";
    }
    return after(closings, std::move(command));
}

bool all_ready(const std::string& group, std::uint32_t workers) {
    std::error_code error;
    const auto objects = Group::open(group, error);
    for (std::uint32_t i = 0; objects && i < workers; ++i) {
        const auto vitals = objects->vital_signs(WorkerIndex{i});
        if (!vitals || vitals->state != layout::WorkerState::kReady) {
            return false;
        }
    }
    return objects.has_value();
}

/// Nobody rings for a watcher whose supervisor has no output.
void require_all_ready(const std::string& group, std::uint32_t workers) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!all_ready(group, workers)) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        std::this_thread::sleep_for(5ms);
    }
}

/// What the descriptor of another process leads to; "" if it is closed.
std::string target(pid_t pid, int fd) {
    std::error_code error;
    return std::filesystem::read_symlink(
               "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd), error)
        .string();
}

void require_sound_descriptors(pid_t pid) {
    for (int fd = 0; fd < 3; ++fd) {
        const std::string leads_to = target(pid, fd);
        CAPTURE(fd);
        CHECK_FALSE(leads_to.empty());
        CHECK(leads_to.find("shmipc.") == std::string::npos);
        CHECK(leads_to.find(".lock") == std::string::npos);
    }
}

std::vector<std::string> stock_by_hand(const std::string& group, unsigned index) {
    return {SHMIPC_WORKER,         "--group",        group, "--workers",    "2",   "--index",
            std::to_string(index), "--max-interval", "5ms", "--log-format", "json"};
}

}  // namespace

TEST_CASE("a supervisor runs with any of the standard descriptors closed, and so do its workers") {
    for (unsigned which = 1; which < kSubsets; ++which) {
        CAPTURE(which);
        const SupervisorRun run;
        Process supervisor(with_closed(which, run.command(stock_worker())));
        require_all_ready(run.group(), 3);
        require_sound_descriptors(supervisor.pid());
        const Group group = Group::open(run.group());
        for (std::uint32_t i = 0; i < 3; ++i) {
            const auto vitals = group.vital_signs(WorkerIndex{i});
            REQUIRE(vitals);
            require_sound_descriptors(static_cast<pid_t>(vitals->pid));
            CHECK(vitals->incarnation == 1);
        }
        require_new_messages(run);
        supervisor.signal(SIGTERM);
        CHECK(supervisor.exit_code() == 0);
        CHECK(run.objects().empty());
    }
}

TEST_CASE("a stock worker by hand and shmipcctl run with any of them closed") {
    for (unsigned which = 1; which < kSubsets; ++which) {
        CAPTURE(which);
        const TestGroup group;
        Process zero(with_closed(which, stock_by_hand(group.name(), 0)));
        Process one(with_closed(which, stock_by_hand(group.name(), 1)));
        require_all_ready(group.name(), 2);
        require_sound_descriptors(zero.pid());
        Process peek(with_closed(which, {SHMIPC_CTL, "--group", group.name(), "peek", "0"}));
        CHECK(peek.exit_code() == 0);
        CHECK(Group::open(group.name()).vital_signs(WorkerIndex{0})->incarnation == 1);
        for (Process* const worker : {&zero, &one}) {
            worker->signal(SIGTERM);
            CHECK(worker->exit_code() == 0);
        }
    }
}

TEST_CASE("a worker whose wrapper has closed the pipe is ready when it says so in shared memory") {
    const std::string worker = SHMIPC_WORKER
        " --group $SHMIPC_GROUP --workers $SHMIPC_WORKERS --index $SHMIPC_INDEX "
        "--max-interval 5ms";
    // %: the worker's command.
    for (const char* const pattern :
         {"exec 3>&-; exec %", "exec 3>&-; %; exit $?", "exec 3>&-; setsid -w %; exit $?",
          // Another file has the number.
          "exec 3>/dev/null; exec %",
          // Somebody keeps the pipe open, and says nothing.
          "sleep 1000 & exec 3>&-; exec %"}) {
        std::string wrapper = pattern;
        wrapper.replace(wrapper.find('%'), 1, worker);
        CAPTURE(wrapper);
        const SupervisorRun run;
        Process supervisor = run.start(script_worker(wrapper));
        require_line(supervisor, "3/3 workers ready");
        supervisor.signal(SIGTERM);
        CHECK(supervisor.exit_code() == 0);
        CHECK(run.objects().empty());
    }
}

TEST_CASE("a worker that is a member of another group too, and of that one first, becomes ready") {
    const SupervisorRun run;
    Process supervisor =
        run.start("[worker]\ncommand = [\"" + std::string(SHMIPC_ODD_WORKER) + "\", \"bridge\"]\n");
    require_line(supervisor, "3/3 workers ready");
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
    CHECK(Group::remove(run.group() + "-far"));
}

TEST_CASE("beyond RLIMIT_FSIZE a start ends with the limit's name, and leaves nothing") {
    const SupervisorRun run;
    // The configuration is written by the test itself, without the limit.
    Process supervisor(after("ulimit -f 8", run.command(stock_worker())));
    require_line(supervisor, "RLIMIT_FSIZE is ");
    CHECK(supervisor.exit_code() == 71);
    CHECK(run.objects().empty());
    const TestGroup group;
    Process worker(after("ulimit -f 8", stock_by_hand(group.name(), 0)));
    require_line(worker, "RLIMIT_FSIZE is ");
    CHECK(worker.exit_code() == 1);
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
        CHECK(entry.path().filename().string().find(group.name() + ".") == std::string::npos);
    }
}

TEST_CASE(
    "with few descriptors a start succeeds, or ends with the limit's name and leaves nothing") {
#ifdef __SANITIZE_ADDRESS__
    constexpr int kFewest = 16;  // the sanitizer makes a pipe to look at an exception's type
#else
    constexpr int kFewest = 6;
#endif
    bool refused = false;
    for (int most = kFewest; most < 64; ++most) {
        CAPTURE(most);
        const SupervisorRun run;
        Process supervisor(after("ulimit -n " + std::to_string(most), run.command(stock_worker())));
        auto line = supervisor.wait_for_line("");
        while (line && line->find("RLIMIT_NOFILE is ") == std::string::npos &&
               line->find("3/3 workers ready") == std::string::npos) {
            line = supervisor.wait_for_line("");
        }
        REQUIRE_MESSAGE(line, supervisor.output());
        if (line->find("3/3 workers ready") != std::string::npos) {
            break;
        }
        refused = true;
        CHECK(supervisor.exit_code() == 71);
        CHECK(run.objects().empty());
        most += most >= 10 ? 4 : 0;
    }
    CHECK(refused);
}
