#include "keeper/certificate.hpp"

#include "keeper/death_record.hpp"

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

std::string obituary_of(Certificate certificate, const std::string& consequence) {
    certificate.consequence = consequence;
    return obituary(certificate);
}

}  // namespace

TEST_CASE("an obituary says who, how, after how long, and what follows") {
    CHECK(obituary_of(death_of(killed(SIGKILL)), "restarting at once") ==
          "worker 1 (pid 4711) was killed by signal 9 (KILL) after 2.1 s; restarting at once");
    CHECK(obituary_of(death_of(exited(3)), "it stays down") ==
          "worker 1 (pid 4711) exited with status 3 after 2.1 s; it stays down");
    CHECK(obituary_of(death_of(dumped(SIGSEGV)), "x") ==
          "worker 1 (pid 4711) was killed by signal 11 (SEGV), core dumped, after 2.1 s; x");
    CHECK(obituary_of(death_of(killed(40)), "x").find("signal 40 (RT40)") != std::string::npos);
    CHECK(obituary_of(death_of(std::nullopt), "x").find("another process took") !=
          std::string::npos);
}

TEST_CASE("who was told to end and did has obeyed, however it did it, unless it crashed") {
    CHECK(obeyed(exited(0)));
    CHECK(obeyed(exited(143)));
    CHECK(obeyed(killed(SIGTERM)));
    CHECK(obeyed(killed(SIGKILL)));
    CHECK(obeyed(std::nullopt));
    CHECK_FALSE(obeyed(killed(SIGSEGV)));
    CHECK_FALSE(obeyed(dumped(SIGABRT)));
}

TEST_CASE("ends that were ordered are counted apart, and push no death out of the record") {
    DeathRecord record;
    const auto end = [&](std::uint32_t pid, bool ordered) {
        Certificate certificate = death_of(ordered ? exited(0) : killed(SIGKILL));
        certificate.pid = static_cast<pid_t>(pid);
        certificate.ordered = ordered;
        record.add(certificate);
    };
    CHECK(record.last_death() == nullptr);
    end(1, true);
    CHECK(record.last_death() == nullptr);
    CHECK(record.tally().sum() == 0);
    for (std::uint32_t i = 0; i < kDeathsKept - 1; ++i) {
        end(100 + i, false);
    }
    for (std::uint32_t i = 0; i < 100; ++i) {
        end(1000 + i, true);
    }
    CHECK(record.ordered() == 101);
    CHECK(record.tally().sum() == kDeathsKept - 1);
    CHECK(record.tally().exited == 0);
    REQUIRE(record.last().size() == kDeathsKept);
    CHECK(record.last().front().pid == 100);
    CHECK(record.last().back().pid == 1099);
    REQUIRE(record.last_death() != nullptr);
    CHECK(record.last_death()->pid == 100 + static_cast<pid_t>(kDeathsKept) - 2);
}

TEST_CASE("an obituary names the messages held, up to a limit") {
    Certificate certificate = death_of(killed(SIGKILL));
    certificate.held = {{WorkerIndex{2}, 17}};
    CHECK(obituary_of(certificate, "x").find("; it held message 17 of worker 2; x") !=
          std::string::npos);
    for (std::uint32_t i = 3; i < 100; ++i) {
        certificate.held.push_back({WorkerIndex{i}, 5});
    }
    const std::string text = obituary_of(certificate, "x");
    CHECK(text.find("it held messages 17 of worker 2, 5 of worker 3") != std::string::npos);
    CHECK(text.find("and 90 more; x") != std::string::npos);
}

TEST_CASE("an obituary tells the last line that was written, shortened and harmless") {
    Certificate certificate = death_of(exited(3));
    certificate.last_output = {"opening", "camera missing"};
    CHECK(obituary_of(certificate, "x") ==
          "worker 1 (pid 4711) exited with status 3 after 2.1 s (last output: \"camera missing\"); "
          "x");
    certificate.last_output = {"\x1b[2J" + std::string(500, 'y')};
    const std::string text = obituary_of(certificate, "x");
    CHECK(text.find("(last output: \"\\x1b[2Jyy") != std::string::npos);
    CHECK(text.find("yy [truncated]\"); x") != std::string::npos);
    CHECK(text.size() < 250);
}

TEST_CASE("a process that could not be forked has no pid and no age") {
    Certificate certificate = death_of(std::nullopt);
    certificate.pid = -1;
    CHECK(obituary_of(certificate, "x") == "worker 1 could not be started; x");
}

TEST_CASE("an obituary says why we ended the process, and whether memory had run out") {
    Certificate certificate = death_of(killed(SIGABRT));
    certificate.cause = "it hung";
    CHECK(obituary_of(certificate, "x") ==
          "worker 1 (pid 4711) was killed by signal 6 (ABRT) after 2.1 s (it hung); x");
    certificate = death_of(killed(SIGKILL));
    certificate.out_of_memory = true;
    CHECK(obituary_of(certificate, "x").find("(KILL), since memory had run out, after") !=
          std::string::npos);
}

TEST_CASE("kinds of death are told apart, each with what status there is") {
    const auto kind = [](const Certificate& certificate) { return name_of(kind_of(certificate)); };
    CHECK(kind(death_of(exited(3))) == "exited");
    CHECK(status_of(death_of(exited(3))) == 3);
    CHECK(kind(death_of(killed(SIGKILL))) == "killed");
    CHECK(status_of(death_of(killed(SIGKILL))) == SIGKILL);
    CHECK(kind(death_of(dumped(SIGSEGV))) == "dumped");
    CHECK(kind(death_of(std::nullopt)) == "unknown");
    CHECK_FALSE(status_of(death_of(std::nullopt)));
    Certificate certificate = death_of(killed(SIGKILL));
    certificate.out_of_memory = true;
    CHECK(kind(certificate) == "out_of_memory");
    certificate = death_of(exited(127));
    certificate.executed = false;
    CHECK(kind(certificate) == "not_started");
    CHECK_FALSE(status_of(certificate));
    certificate.pid = -1;
    CHECK(kind(certificate) == "not_started");
}

TEST_CASE("a record keeps the last twenty deaths, and counts all by their kind") {
    DeathRecord record;
    for (int i = 1; i <= 25; ++i) {
        Certificate certificate = death_of(i % 5 == 0 ? exited(i) : killed(SIGKILL));
        certificate.sequence = static_cast<std::uint64_t>(i);
        record.add(certificate);
    }
    REQUIRE(record.last().size() == 20);
    CHECK(record.last().front().sequence == 6);
    CHECK(record.last().back().sequence == 25);
    CHECK(record.tally().exited == 5);
    CHECK(record.tally().killed == 20);
    CHECK(record.tally().sum() == 25);
    Certificate certificate = death_of(killed(SIGKILL));
    certificate.out_of_memory = true;
    record.add(certificate);
    record.add(death_of(dumped(SIGSEGV)));
    record.add(death_of(std::nullopt));
    certificate = death_of(exited(127));
    certificate.executed = false;
    record.add(certificate);
    CHECK(record.tally().out_of_memory == 1);
    CHECK(record.tally().dumped == 1);
    CHECK(record.tally().unknown == 1);
    CHECK(record.tally().not_started == 1);
    CHECK(record.tally().killed == 20);
    CHECK(record.tally().sum() == 29);
}

TEST_CASE("of all that a worker held a certificate keeps some, and the number of the rest") {
    Certificate certificate;
    std::vector<HeldMessage> held;
    for (std::uint32_t i = 0; i < 1023; ++i) {
        held.push_back({WorkerIndex{i}, 5});
    }
    note_held(certificate, held);
    CHECK(certificate.held.size() == kMostHeldKept);
    CHECK(certificate.held_left_out == 1023 - kMostHeldKept);
    CHECK(obituary_of(certificate, "x").find("and 1015 more; x") != std::string::npos);
    held.resize(kMostHeldKept);
    note_held(certificate, held);
    CHECK(certificate.held.size() == kMostHeldKept);
    CHECK(certificate.held_left_out == 0);
    note_held(certificate, {});
    CHECK(certificate.held.empty());
}
