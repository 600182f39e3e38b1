#include "keeper/process_sight.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

std::string stat_line(const std::string& name, char state) {
    return "4711 (" + name + ") " + state +
           " 1 4711 4711 0 -1 4194560 90 0 0 0 250 50 0 0 20 0 1 0 99 1000 200 "
           "18446744073709551615";
}

}  // namespace

TEST_CASE("state, CPU time, tracer and core are read from proc's texts") {
    const auto sight = parse_sight(stat_line("worker", 'S'),
                                   "Name:\tworker\nTracerPid:\t77\nCoreDumping:\t1\n", 100);
    REQUIRE(sight);
    CHECK(sight->state == 'S');
    CHECK(sight->cpu == 3s);
    CHECK(sight->tracer == 77);
    CHECK(sight->core_dumping);
}

TEST_CASE("a process may call itself whatever it likes") {
    for (const std::string name : {"a b", "x) R 1 1", ")", "", ") Z ) Z "}) {
        CAPTURE(name);
        const auto sight = parse_sight(stat_line(name, 'T'), "Name:\tx\nTracerPid:\t0\n", 100);
        REQUIRE(sight);
        CHECK(sight->state == 'T');
        CHECK(sight->cpu == 3s);
        CHECK(sight->tracer == 0);
        CHECK_FALSE(sight->core_dumping);
    }
}

TEST_CASE("texts that proc does not write give no sight") {
    for (const std::string stat : {"", "4711", "4711 (x)", "4711 (x) ", "4711 (x) S 1 2 3"}) {
        CAPTURE(stat);
        CHECK_FALSE(parse_sight(stat, "", 100));
    }
}

TEST_CASE("a stopped child is seen as stopped, and a reaped one not at all") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::raise(SIGSTOP);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
    REQUIRE(WIFSTOPPED(status));
    const auto sight = look_at(child);
    REQUIRE(sight);
    CHECK(sight->state == 'T');
    CHECK(describe_silence(*sight, 0s, 10s) == "is stopped by a signal (SIGSTOP or the like)");
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK_FALSE(look_at(child));
}

TEST_CASE("what a silent process does is told apart") {
    ProcessSight sight{.state = 'R', .cpu = 0s, .tracer = 0, .core_dumping = false};
    CHECK(describe_silence(sight, 6s, 10s) == "spins: it has used 6.0 s of CPU time meanwhile");
    CHECK(describe_silence(sight, 1s, 10s).find("slow") != std::string::npos);
    sight.state = 'S';
    CHECK(describe_silence(sight, 6s, 10s).find("spins") != std::string::npos);
    CHECK(describe_silence(sight, 0s, 10s).find("sleeps") != std::string::npos);
    sight.state = 'D';
    CHECK(describe_silence(sight, 0s, 10s).find("uninterruptible") != std::string::npos);
    sight.tracer = 5;
    CHECK(describe_silence(sight, 0s, 10s) == "is traced by pid 5");
}
