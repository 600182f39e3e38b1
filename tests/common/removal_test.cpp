#include "child.hpp"
#include "group_guard.hpp"
#include "syscall_death.hpp"
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>

#include <sys/mman.h>
#include <unistd.h>

using namespace shmipc;
using test::Call;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

TEST_CASE("removal removes all objects, and says whether there were any") {
    const GroupGuard guard(4);
    CHECK_FALSE(Group::remove(guard.config.name));
    static_cast<void>(Group::create_or_open(guard.config));
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
    CHECK_FALSE(Group::remove(guard.config.name));
    std::error_code error;
    CHECK_FALSE(Group::remove("a.b", error));
    CHECK((error == Errc::kInvalidGroupName));
    CHECK(guard.left().empty());
}

TEST_CASE("removal is refused while a worker runs, which is named, and removes nothing") {
    const GroupGuard guard(3);
    for (const std::uint32_t index : {0U, 2U}) {
        Child worker([&](Child::Line& line) {
            const Worker self = Worker::attach(guard.config, WorkerIndex{index});
            line.tell();
            line.hear();
        });
        worker.hear();
        const Caught caught = catch_error([&] { return Group::remove(guard.config.name); });
        CHECK(caught.code == Errc::kGroupBusy);
        CHECK_MESSAGE(caught.tells({"worker " + std::to_string(index),
                                    "pid " + std::to_string(worker.pid()), guard.config.name}),
                      caught.text);
        CHECK(guard.files().size() == 3);
        worker.tell();
        CHECK(worker.wait().status == 0);
    }
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
}

TEST_CASE("a refused removal keeps no worker from starting") {
    const GroupGuard guard(3);
    const Worker running = Worker::attach(guard.config, WorkerIndex{2});
    CHECK(catch_error([&] { return Group::remove(guard.config.name); }).code == Errc::kGroupBusy);
    CHECK(catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}); }).code ==
          Errc::kOk);
}

TEST_CASE("removal works at once after a worker's death") {
    const GroupGuard guard(2);
    Child worker([&](Child::Line& line) {
        const Worker self = Worker::attach(guard.config, WorkerIndex{1});
        line.tell();
        line.hear();
    });
    worker.hear();
    CHECK(worker.kill().signal == SIGKILL);
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
}

TEST_CASE("groups that are incomplete, corrupt or no objects at all can be removed") {
    const GroupGuard guard(4);
    static_cast<void>(Worker::attach(guard.config, WorkerIndex{3}));
    REQUIRE(::unlink(guard.path(0).c_str()) == 0);
    REQUIRE(::truncate(guard.path(1).c_str(), 3) == 0);
    REQUIRE(test::write_at(guard.path(2), 0, std::uint64_t{0}));
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
}

TEST_CASE("objects beyond the group's size are removed too, and other files are not") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    const std::string base = "/dev/shm/shmipc." + guard.config.name;
    for (const char* name : {".7", ".07", ".x", ".1024", ".1x"}) {
        ::close(::open((base + name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    }
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.files().size() == 4);  // all but .7
    CHECK(::access((base + ".7").c_str(), F_OK) != 0);
}

TEST_CASE("a death in the middle of a removal leaves what the next start or removal makes good") {
    for (const bool restart : {true, false}) {
        for (int count = 0; count < 4; ++count) {
            const GroupGuard guard(3);
            for (std::uint32_t i = 0; i < 3; ++i) {
                static_cast<void>(Worker::attach(guard.config, WorkerIndex{i}));
            }
            Child remover([&](Child::Line&) {
                test::die_at(Call::kUnlink, count);
                Group::remove(guard.config.name);
            });
            REQUIRE(remover.wait().signal == SIGKILL);
            if (restart) {
                const Worker worker = Worker::attach(guard.config, WorkerIndex{1});
                CHECK(guard.files().size() >= 3);
                // Before the first object went, the group may go on as it was.
                CHECK(worker.incarnation() == 1);
            } else {
                Group::remove(guard.config.name);
                CHECK(guard.left().empty());
            }
        }
    }
}

TEST_CASE("attaching and removing at the same time end in a whole group or none") {
    constexpr unsigned kRemovals = 50;
    const GroupGuard guard(3);
    auto* const done = static_cast<std::atomic<bool>*>(::mmap(nullptr, sizeof(std::atomic<bool>),
                                                              PROT_READ | PROT_WRITE,
                                                              MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    REQUIRE(static_cast<void*>(done) != MAP_FAILED);
    Child remover([&](Child::Line&) {
        // Bounded by the child's patience.
        for (unsigned removed = 0; removed < kRemovals;) {
            std::error_code error;
            removed += Group::remove(guard.config.name, error) ? 1U : 0U;
            if (error && error != Errc::kGroupBusy) {
                std::fprintf(stderr, "%s\n", error.message().c_str());
                done->store(true);
                return 1;
            }
        }
        done->store(true);
        return 0;
    });
    unsigned attached = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done->load() && std::chrono::steady_clock::now() < deadline) {
        const Caught caught = catch_error([&] {
            Worker worker = Worker::attach(guard.config, WorkerIndex{1});
            // As long as it lives nothing is removed.
            CHECK(guard.files().size() >= 3);
            CHECK(worker.verify() == Errc::kOk);
            return 0;
        });
        CHECK_MESSAGE(caught.code == Errc::kOk, caught.text);
        attached += caught.code == Errc::kOk ? 1U : 0U;
    }
    CHECK(attached > 0);
    const Child::End end = remover.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    ::munmap(done, sizeof *done);
}
