#include "certificate.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

// As wait(2) encodes them on Linux: status in the second byte, signal in the first, 0x80 for a
// core.
constexpr int exited(int status) {
    return status << 8;
}
constexpr int killed(int signal) {
    return signal;
}
constexpr int dumped(int signal) {
    return signal | 0x80;
}

Certificate death_of(std::optional<int> status) {
    Certificate certificate;
    certificate.worker = WorkerIndex{1};
    certificate.pid = 4711;
    certificate.status = status;
    certificate.uptime = 2100ms;
    return certificate;
}

}  // namespace

TEST_CASE("an obituary says who, how, after how long, and what follows") {
    CHECK(obituary(death_of(killed(SIGKILL)), "restarting at once") ==
          "worker 1 (pid 4711) was killed by signal 9 (KILL) after 2.1 s; restarting at once");
    CHECK(obituary(death_of(exited(3)), "it stays down") ==
          "worker 1 (pid 4711) exited with status 3 after 2.1 s; it stays down");
    CHECK(obituary(death_of(dumped(SIGSEGV)), "x") ==
          "worker 1 (pid 4711) was killed by signal 11 (SEGV), core dumped, after 2.1 s; x");
    CHECK(obituary(death_of(killed(40)), "x").find("signal 40 (RT40)") != std::string::npos);
    CHECK(obituary(death_of(std::nullopt), "x").find("another process took") != std::string::npos);
}

TEST_CASE("an obituary names the messages held, up to a limit") {
    Certificate certificate = death_of(killed(SIGKILL));
    certificate.held = {{WorkerIndex{2}, 17}};
    CHECK(obituary(certificate, "x").find("; it held message 17 of worker 2; x") !=
          std::string::npos);
    for (std::uint32_t i = 3; i < 100; ++i) {
        certificate.held.push_back({WorkerIndex{i}, 5});
    }
    const std::string text = obituary(certificate, "x");
    CHECK(text.find("it held messages 17 of worker 2, 5 of worker 3") != std::string::npos);
    CHECK(text.find("and 90 more; x") != std::string::npos);
}

TEST_CASE("a process that could not be forked has no pid and no age") {
    Certificate certificate = death_of(std::nullopt);
    certificate.pid = -1;
    CHECK(obituary(certificate, "x") == "worker 1 could not be started; x");
}
