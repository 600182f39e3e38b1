// The stock worker and the examples, as a user runs them: by hand, without a supervisor.
#include "process.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/supervision.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>

using shmipc::test::Process;
using shmipc::test::TestGroup;

namespace {

std::vector<std::string> worker_command(const TestGroup& group, unsigned workers, unsigned index) {
    return {SHMIPC_WORKER,
            "--group",
            group.name(),
            "--workers",
            std::to_string(workers),
            "--index",
            std::to_string(index),
            "--max-interval",
            "5ms",
            "--log-format",
            "human"};
}

/// The number at the end of "1: write 17".
std::uint64_t number_at_end(const std::string& line) {
    return std::stoull(line.substr(line.rfind(' ') + 1));
}

std::uint64_t next_write(Process& worker) {
    const auto line = worker.wait_for_line(": write ");
    REQUIRE_MESSAGE(line, worker.output());
    return number_at_end(*line);
}

/// Waits until the worker has read a message of the other, which it keeps until a newer one comes.
void wait_for_value(Process& worker, unsigned other) {
    const std::string read = "read info from " + std::to_string(other) + ": ";
    auto line = worker.wait_for_line(read);
    while (line && line->find(read + "empty") != std::string::npos) {
        line = worker.wait_for_line(read);
    }
    REQUIRE_MESSAGE(line, worker.output());
}

}  // namespace

TEST_CASE("a worker whose output nobody reads goes on, and ends when it is told to") {
    const TestGroup group;
    const auto busy = [&](unsigned index) {
        std::vector<std::string> command = worker_command(group, 2, index);
        *std::find(command.begin(), command.end(), "5ms") = "20us";
        command.insert(command.end(), {"--log-level", "debug"});
        return command;
    };
    Process zero(busy(0));
    Process one(busy(1));
    REQUIRE_MESSAGE(zero.wait_for_line("0: ready"), zero.output());
    // What a pipe takes, and what the log keeps, are 64 KiB each: some 2,000 exchanges.
    constexpr std::uint64_t kMuch = 20'000;
    const auto deadline = shmipc::Worker::Deadline::clock::now() + shmipc::test::kPatience;
    const auto objects = shmipc::Group::open(group.name());
    while (objects.vital_signs(shmipc::WorkerIndex{0})->written < kMuch &&
           shmipc::Worker::Deadline::clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});  // nobody rings for a watcher
    }
    CHECK(objects.vital_signs(shmipc::WorkerIndex{0})->written >= kMuch);
    zero.signal(SIGTERM);
    CHECK(zero.exit_code() == 0);
}

TEST_CASE("workers started in any order wait for each other and exchange values") {
    const TestGroup group;
    Process two(worker_command(group, 3, 2));
    REQUIRE_MESSAGE(two.wait_for_line("2: waiting for other processes"), two.output());
    Process zero(worker_command(group, 3, 0));
    REQUIRE_MESSAGE(zero.wait_for_line("0: waiting for other processes"), zero.output());
    CHECK(two.output().find("ready") == std::string::npos);
    Process one(worker_command(group, 3, 1));
    for (auto* const worker : {&zero, &one, &two}) {
        REQUIRE_MESSAGE(worker->wait_for_line(": ready"), worker->output());
    }
    CHECK(zero.wait_for_line("0: read info from 1: "));
    CHECK(one.wait_for_line("1: read info from 2: "));
    CHECK(two.wait_for_line("2: read info from 0: "));
    CHECK(next_write(one) >= 1);
}

TEST_CASE("the first values are 1, 2, 3, and a channel is empty before them") {
    const TestGroup group;
    Process zero(worker_command(group, 2, 0));
    Process one(worker_command(group, 2, 1));
    CHECK(next_write(zero) == 1);
    CHECK(next_write(zero) == 2);
    CHECK(next_write(zero) == 3);
    CHECK(next_write(one) == 1);
    const bool empty_seen = zero.output().find("0: read info from 1: empty") != std::string::npos ||
                            one.output().find("1: read info from 0: empty") != std::string::npos;
    CHECK(empty_seen);
}

TEST_CASE("a killed worker goes on with the value after its last one") {
    const TestGroup group;
    Process zero(worker_command(group, 2, 0));
    std::uint64_t last = 0;
    {
        Process one(worker_command(group, 2, 1));
        REQUIRE(next_write(one) == 1);
        REQUIRE(next_write(one) == 2);
        wait_for_value(one, 0);
        one.signal(SIGKILL);
        const auto status = one.wait();
        REQUIRE(status);
        CHECK(WIFSIGNALED(*status));
        shmipc::Observer observer = shmipc::Observer::open(group.name());
        shmipc::Observer::Message message;
        REQUIRE(observer.read(shmipc::WorkerIndex{1}, message) == shmipc::Errc::kOk);
        last = message.info.sequence;
    }
    Process again(worker_command(group, 2, 1));
    CHECK(again.wait_for_line("1: attached, incarnation 2"));
    CHECK(again.wait_for_line("1: reclaimed 1 stale pin"));
    CHECK(next_write(again) == last + 1);
    CHECK(zero.wait_for_line("0: read info from 1: " + std::to_string(last + 1)));
}

TEST_CASE("SIGTERM ends a worker in order, working or waiting, and frees its pins") {
    const TestGroup group;
    Process zero(worker_command(group, 2, 0));
    REQUIRE(zero.wait_for_line("waiting"));
    zero.signal(SIGTERM);
    CHECK(zero.exit_code() == 0);
    Process one(worker_command(group, 2, 1));
    Process zero_again(worker_command(group, 2, 0));
    REQUIRE(next_write(one) >= 1);
    one.signal(SIGTERM);
    CHECK(one.exit_code() == 0);
    CHECK(one.output().find("1: stopped") != std::string::npos);
    const shmipc::Group opened = shmipc::Group::open(group.name());
    CHECK(opened.held_by(shmipc::WorkerIndex{1}).empty());
    CHECK(opened.vital_signs(shmipc::WorkerIndex{1})->state ==
          shmipc::layout::WorkerState::kStopped);
}

TEST_CASE("a second worker of the same index is refused with the pid of the first") {
    const TestGroup group;
    Process zero(worker_command(group, 2, 0));
    REQUIRE(zero.wait_for_line("waiting"));
    Process second(worker_command(group, 2, 0));
    CHECK(second.exit_code() == 75);
    CHECK(second.output().find("worker 0 of group '" + group.name() +
                               "' is already running (last known pid " +
                               std::to_string(zero.pid()) + ")") != std::string::npos);
}

TEST_CASE("another number of workers is refused with both numbers") {
    const TestGroup group;
    Process zero(worker_command(group, 2, 0));
    REQUIRE(zero.wait_for_line("waiting"));
    Process odd(worker_command(group, 3, 2));
    CHECK(odd.exit_code() == 1);
    CHECK(odd.output().find("has number of workers 2, expected 3") != std::string::npos);
}

TEST_CASE("wrong usage is exit code 64, help and version are 0") {
    const TestGroup group;
    const std::string program = SHMIPC_WORKER;
    const std::string& name = group.name();
    const std::vector<std::vector<std::string>> wrong{
        {program},
        {program, "--group", "a b", "--workers", "2", "--index", "0"},
        {program, "--group", name, "--workers", "1", "--index", "0"},
        {program, "--group", name, "--workers", "2", "--index", "2"},
        {program, "--group", name, "--workers", "2", "--index", "0", "--max-interval", "5"},
        {program, "--group", name, "--workers", "2", "--index", "0", "--capacity", "4"},
        {program, "--group", name, "--workers", "2", "--index", "0", "--no-such-option"}};
    for (const auto& command : wrong) {
        Process process(command);
        CHECK_MESSAGE(process.exit_code() == 64, process.output());
        CHECK(!process.output().empty());
    }
    Process help({program, "--help"});
    CHECK(help.exit_code() == 0);
    CHECK(help.output().find("Exit codes") != std::string::npos);
    Process version({program, "--version"});
    CHECK(version.exit_code() == 0);
}

TEST_CASE("a default that the environment gives is refused if it is wrong, with its name") {
    for (const char* const setting :
         {"SHMIPC_CAPACITY=much", "SHMIPC_SLOTS=1i", "SHMIPC_SLOTS=", "SHMIPC_SLOTS=99999999999999",
          "SHMIPC_LOG_LEVEL=loud", "SHMIPC_LOG_FORMAT=poem"}) {
        const std::vector<std::string> environment{setting};
        const std::string name(setting, std::string(setting).find('='));
        Process process({SHMIPC_WORKER, "--group", "g", "--workers", "2", "--index", "0"},
                        environment);
        CHECK_MESSAGE(process.exit_code() == 64, setting);
        CHECK_MESSAGE(process.output().find(name) != std::string::npos, process.output());
        Process help({SHMIPC_WORKER, "--help"}, environment);
        CHECK(help.exit_code() == 0);
    }
}

TEST_CASE("the example worker runs from the environment that a supervisor sets") {
    const TestGroup group;
    // We are worker 2, so that we can wait for what the others publish.
    auto membership = shmipc::Worker::attach({.name = group.name(), .workers = 3, .capacity = 16},
                                             shmipc::WorkerIndex{2});
    std::deque<Process> workers;
    const auto variables = [&](const char* index) {
        return std::vector<std::string>{"SHMIPC_GROUP=" + group.name(), "SHMIPC_WORKERS=3",
                                        std::string("SHMIPC_INDEX=") + index, "SHMIPC_CAPACITY=16",
                                        "SHMIPC_SLOTS=0"};
    };
    for (const char* const index : {"0", "1"}) {
        workers.emplace_back(std::vector<std::string>{SHMIPC_EXAMPLE_POSE}, variables(index));
    }
    // Each publishes when its leader has, and once a second.
    auto last = membership.consumer<shmipc::Bytes>(shmipc::WorkerIndex{1});
    for (int i = 0; i < 3; ++i) {
        REQUIRE(last.wait_newer(shmipc::test::kPatience) == shmipc::Errc::kOk);
        const auto message = last.acquire();
        REQUIRE(message);
        CHECK(message.bytes().size() == 2 * sizeof(double));
    }
    Process second({SHMIPC_EXAMPLE_POSE}, variables("1"));
    CHECK(second.exit_code() == shmipc::supervision::kIdentityBusyStatus);
    CHECK(second.output().find("worker 1 of group '" + group.name() + "' is already running") !=
          std::string::npos);
    workers[0].signal(SIGTERM);
    CHECK(workers[0].exit_code() == 0);
    Process missing({SHMIPC_EXAMPLE_POSE});
    CHECK(missing.exit_code() == 1);
    CHECK(missing.output().find("SHMIPC_GROUP") != std::string::npos);
}
