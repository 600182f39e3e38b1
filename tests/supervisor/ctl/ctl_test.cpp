// shmipcctl, as a user runs it.
#include "ctl/worker_list.hpp"
#include "process.hpp"
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

using shmipc::WorkerIndex;
using shmipc::ctl::parse_worker_list;
using shmipc::test::Process;
using shmipc::test::TestGroup;

namespace {

std::vector<WorkerIndex> indices(std::initializer_list<std::uint32_t> numbers) {
    std::vector<WorkerIndex> result;
    for (const std::uint32_t number : numbers) {
        result.push_back(WorkerIndex{number});
    }
    return result;
}

struct Run {
    int exit_code;
    std::string output;
};

Run ctl(const TestGroup& group, const std::vector<std::string>& arguments) {
    std::vector<std::string> command{SHMIPC_CTL, "--group", group.name()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command);
    const int exit_code = process.exit_code();
    return {exit_code, process.output()};
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("workers are named by numbers, ranges, lists, and all") {
    CHECK(parse_worker_list("0", 4) == indices({0}));
    CHECK(parse_worker_list("3,0-1,1", 4) == indices({0, 1, 3}));
    CHECK(parse_worker_list("all", 3) == indices({0, 1, 2}));
    for (const char* const text :
         {"", "4", "-1", "1-", "-", "2-1", "a", "0,", "0 1", "allx", "1-4"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_worker_list(text, 4), std::invalid_argument);
    }
}

TEST_CASE("peek shows the latest message, or that there is none") {
    const TestGroup group;
    auto worker = shmipc::Worker::attach({.name = group.name(), .workers = 2, .capacity = 64},
                                         WorkerIndex{1});
    auto producer = worker.producer();
    const std::string text = "hello";
    REQUIRE(producer.publish(std::as_bytes(std::span(text))) == shmipc::Errc::kOk);
    const Run run = ctl(group, {"peek", "all"});
    CHECK(run.exit_code == 0);
    CHECK(contains(run.output, "worker 0: nothing has been published yet"));
    CHECK(contains(run.output, "worker 1: message 1, incarnation 1, 5 bytes, bytes"));
    CHECK(contains(run.output, "68 65 6c 6c 6f"));
    CHECK(contains(run.output, "|hello|"));
}

TEST_CASE("clean removes a stopped group, and names the worker that keeps it from doing so") {
    const TestGroup group;
    {
        Process worker({SHMIPC_WORKER, "--group", group.name(), "--workers", "2", "--index", "0",
                        "--log-format", "human"});
        REQUIRE(worker.wait_for_line("waiting"));
        const Run refused = ctl(group, {"clean"});
        CHECK(refused.exit_code == 1);
        CHECK(contains(refused.output, "worker 0 of group '" + group.name() +
                                           "' is running (last known pid " +
                                           std::to_string(worker.pid()) + ")"));
    }
    const Run removed = ctl(group, {"clean"});
    CHECK(removed.exit_code == 0);
    CHECK(contains(removed.output, "removed the objects"));
    const Run nothing = ctl(group, {"clean"});
    CHECK(nothing.exit_code == 0);
    CHECK(contains(nothing.output, "nothing to remove"));
}

TEST_CASE("what cannot be done is said, with an exit code of its own") {
    const TestGroup group;
    const Run none = ctl(group, {"peek", "0"});
    CHECK(none.exit_code == 1);
    CHECK(contains(none.output, "has not been started, or has been removed"));
    CHECK(ctl(group, {}).exit_code == 64);
    CHECK(ctl(group, {"nonsense"}).exit_code == 64);
    CHECK(ctl(group, {"--help"}).exit_code == 0);
    CHECK(ctl(group, {"version"}).exit_code == 0);
    const shmipc::Group made = shmipc::Group::create_or_open({.name = group.name(), .workers = 2});
    const Run beyond = ctl(group, {"peek", "2"});
    CHECK(beyond.exit_code == 64);
    CHECK(contains(beyond.output, "expected 0 to 1"));
}

TEST_CASE("peek tells of a truncated object, and shows the others") {
    const TestGroup group;
    {  // gone before the others' objects are broken: it maps them
        auto worker = shmipc::Worker::attach({.name = group.name(), .workers = 3, .capacity = 64},
                                             WorkerIndex{1});
        auto producer = worker.producer();
        const std::string text = "hello";
        REQUIRE(producer.publish(std::as_bytes(std::span(text))) == shmipc::Errc::kOk);
    }
    REQUIRE(::truncate(("/dev/shm/shmipc." + group.name() + ".0").c_str(), 10) == 0);
    const Run run = ctl(group, {"peek", "all"});
    CHECK(run.exit_code == 0);
    CHECK(contains(run.output, "worker 0: "));
    CHECK(contains(run.output, "|hello|"));
    CHECK(contains(run.output, "worker 2: nothing has been published yet"));
    const Run json = ctl(group, {"peek", "--json", "0-1"});
    CHECK(contains(json.output, "{\"worker\":0,\"error\":\""));
    CHECK(contains(json.output, "\"bytes\":\"68656c6c6f\"}\n"));
}

// Its shadow memory is more than a limit of the address space leaves.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kLimitable = false;
#else
constexpr bool kLimitable = true;
#endif

TEST_CASE("a long message is printed in pieces: as JSON it takes little more memory than itself" *
          doctest::skip(!kLimitable)) {
    const TestGroup group;
    constexpr std::size_t kBytes = std::size_t{32} << 20U;
    auto worker = shmipc::Worker::attach(
        {.name = group.name(), .workers = 2, .capacity = kBytes, .slots = 3}, WorkerIndex{0});
    auto producer = worker.producer();
    const std::vector<std::byte> bytes(kBytes, std::byte{0xa5});
    REQUIRE(producer.publish(std::span(bytes)) == shmipc::Errc::kOk);
    // An address space of three times the message: all of its text would be twice as long again.
    const std::string command = "ulimit -v " + std::to_string(kBytes * 3 / 1024) + "; " +
                                std::string(SHMIPC_CTL) + " --group " + group.name() +
                                " peek 0 --json | wc -c";
    Process process({"/bin/sh", "-c", command});
    CHECK(process.exit_code() == 0);
    const std::size_t printed = std::stoul(process.output());
    CHECK(printed > 2 * kBytes);
    CHECK(printed < 2 * kBytes + 1000);
}
