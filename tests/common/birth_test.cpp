// A group's objects are born together and removed together.
#include "birth.hpp"

#include "child.hpp"
#include "group_guard.hpp"
#include "segment.hpp"
#include "syscall_death.hpp"
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using test::Call;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

/// Generations of all objects of a group.
std::vector<detail::Generation> generations(const GroupConfig& config) {
    std::vector<detail::Generation> all;
    for (std::uint32_t i = 0; i < config.workers; ++i) {
        all.push_back(detail::Segment::open(config.name, WorkerIndex{i}, detail::Access::kInspect)
                          .generation());
    }
    return all;
}

mode_t mode_of(const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("the objects of a group are born together, complete and of one generation") {
    const GroupGuard guard(5, 100);
    const Group group = Group::create_or_open(guard.config);
    CHECK(group.created());
    CHECK(group.name() == guard.config.name);
    CHECK(group.geometry() == layout::Geometry{5, 6, 100});
    CHECK(guard.files().size() == 5);
    const auto all = generations(guard.config);
    for (const auto& generation : all) {
        CHECK(generation == all[0]);
        CHECK(generation != detail::Generation{});
    }
    struct stat status {};
    REQUIRE(::stat(guard.path(4).c_str(), &status) == 0);
    CHECK(static_cast<std::uint64_t>(status.st_size) == group.geometry().object_bytes());
    // Reserved, and without the gaps.
    CHECK(static_cast<std::uint64_t>(status.st_blocks) * 512 ==
          group.geometry().backed_bytes(4096));
}

TEST_CASE("whoever comes later opens the same objects") {
    const GroupGuard guard(3);
    const Group first = Group::create_or_open(guard.config);
    const auto born = generations(guard.config);
    const Group second = Group::create_or_open(guard.config);
    CHECK_FALSE(second.created());
    CHECK(generations(guard.config) == born);
    const Group third = Group::open(guard.config.name);
    CHECK(third.geometry() == first.geometry());
    CHECK_FALSE(third.created());
}

TEST_CASE("two births have different generations") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    const auto first = generations(guard.config);
    REQUIRE(Group::remove(guard.config.name));
    static_cast<void>(Group::create_or_open(guard.config));
    CHECK(generations(guard.config) != first);
}

TEST_CASE("the objects have mode 0660 less umask") {
    for (const auto& [mask, mode] :
         {std::pair<mode_t, mode_t>{0, 0660}, {022, 0640}, {077, 0600}}) {
        const GroupGuard guard(2);
        const mode_t old = ::umask(mask);
        static_cast<void>(Group::create_or_open(guard.config));
        ::umask(old);
        CHECK(mode_of(guard.path(0)) == mode);
        CHECK(mode_of(guard.path(1)) == mode);
    }
}

TEST_CASE("processes that create a group at the same time make one birth of it") {
    for (int round = 0; round < 10; ++round) {
        const GroupGuard guard(4);
        std::deque<Child> children;
        for (int i = 0; i < 8; ++i) {
            children.emplace_back([&](Child::Line& line) {
                line.tell();
                line.hear();
                return Group::create_or_open(guard.config).created() ? 1 : 0;
            });
        }
        for (Child& child : children) {
            child.hear();
        }
        for (Child& child : children) {
            child.tell();
        }
        int births = 0;
        for (Child& child : children) {
            const Child::End end = child.wait();
            CHECK_MESSAGE((end.status == 0 || end.status == 1), end.errors);
            births += end.status;
        }
        CHECK(births == 1);
        CHECK(guard.files().size() == 4);
        const auto all = generations(guard.config);
        CHECK(std::all_of(all.begin(), all.end(), [&](const auto& one) { return one == all[0]; }));
    }
}

TEST_CASE(
    "a creator that is killed anywhere leaves nothing half-made, and the next makes it good") {
    struct Point {
        Call call;
        int calls;  ///< in one birth of three objects and their lock file
    };
    for (const Point point : {Point{Call::kReserve, 9}, Point{Call::kLink, 4}}) {
        for (int count = 0; count < point.calls; ++count) {
            const GroupGuard guard(3);
            Child creator([&](Child::Line&) {
                test::die_at(point.call, count);
                static_cast<void>(Group::create_or_open(guard.config));
            });
            REQUIRE(creator.wait().signal == SIGKILL);
            for (std::uint32_t i = 0; i < 3; ++i) {
                const Caught left = catch_error([&] {
                    return detail::Segment::open(guard.config.name, WorkerIndex{i},
                                                 detail::Access::kTakePart);
                });
                CHECK((left.code == Errc::kOk || left.code == Errc::kNoGroup));
            }
            const Group group = Group::create_or_open(guard.config);
            CHECK(group.created());
            CHECK(guard.files().size() == 3);
            const auto all = generations(guard.config);
            CHECK(all[0] == all[1]);
            CHECK(all[0] == all[2]);
            CHECK(Group::remove(guard.config.name));
            CHECK(guard.left().empty());
        }
    }
}

TEST_CASE("a worker that attaches makes a half-made group good as well") {
    const GroupGuard guard(3);
    Child creator([&](Child::Line&) {
        test::die_at(Call::kLink, 3);
        static_cast<void>(Group::create_or_open(guard.config));
    });
    REQUIRE(creator.wait().signal == SIGKILL);
    const Worker worker = Worker::attach(guard.config, WorkerIndex{2});
    CHECK(worker.incarnation() == 1);
}

TEST_CASE(
    "a lock file that a dead process has left stands in nobody's way, and goes with the group") {
    const GroupGuard guard(2);
    Child holder([&](Child::Line&) {
        const detail::GroupLock lock(guard.config.name);
        ::kill(::getpid(), SIGKILL);
    });
    REQUIRE(holder.wait().signal == SIGKILL);
    REQUIRE(guard.left().size() == 1);
    CHECK(Group::create_or_open(guard.config).created());
    CHECK(guard.left().size() == 3);
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
}

TEST_CASE("a creation waits while another process holds the group's lock") {
    const GroupGuard guard(2);
    Child holder([&](Child::Line& line) {
        const detail::GroupLock lock(guard.config.name);
        line.tell();
        line.hear();
        return guard.left().size() == 1 ? 0 : 1;
    });
    holder.hear();
    Child creator([&](Child::Line& line) {
        line.tell();
        return Group::create_or_open(guard.config).created() ? 0 : 1;
    });
    creator.hear();
    ::usleep(50'000);  // no proof hangs on it: the creation may or may not wait already
    holder.tell();
    CHECK(holder.wait().status == 0);
    CHECK(creator.wait().status == 0);
    CHECK(guard.files().size() == 2);
}

TEST_CASE("who waited for a lock file that went with its holder locks the one that others find") {
    const GroupGuard guard(2);
    Child first([&](Child::Line& line) {
        const detail::GroupLock lock(guard.config.name);
        line.tell();
        line.hear();
    });
    first.hear();
    Child second([&](Child::Line& line) {
        line.tell();
        const detail::GroupLock lock(guard.config.name);
        return guard.left().size() == 1 ? 0 : 1;
    });
    second.hear();
    ::usleep(100'000);  // so that it waits; where it does not yet, nothing is proved
    first.tell();
    CHECK(first.wait().status == 0);
    CHECK(second.wait().status == 0);
    CHECK(guard.left().empty());
}

TEST_CASE("a missing object of a group that has been in use is an error that names it") {
    for (const std::uint32_t missing : {0U, 1U, 2U}) {
        const GroupGuard guard(3);
        for (std::uint32_t i = 0; i < 3; ++i) {
            static_cast<void>(Worker::attach(guard.config, WorkerIndex{i}));
        }
        REQUIRE(::unlink(guard.path(missing).c_str()) == 0);
        const Caught creating = catch_error([&] { return Group::create_or_open(guard.config); });
        CHECK(creating.code == Errc::kIncompleteGroup);
        CHECK(creating.tells({object_name(guard.config.name, WorkerIndex{missing}),
                              "shmipcctl --group " + guard.config.name + " clean"}));
        const Caught attaching =
            catch_error([&] { return Worker::attach(guard.config, WorkerIndex{1}); });
        CHECK(attaching.code == Errc::kIncompleteGroup);
        CHECK(guard.files().size() == 2);
        CHECK(Group::remove(guard.config.name));
        CHECK(guard.left().empty());
    }
}

TEST_CASE("a missing object of a group that runs for the first time is an error too") {
    const GroupGuard guard(3);
    const Worker worker = Worker::attach(guard.config, WorkerIndex{1});
    REQUIRE(::unlink(guard.path(2).c_str()) == 0);
    CHECK(catch_error([&] { return Group::create_or_open(guard.config); }).code ==
          Errc::kIncompleteGroup);
}

TEST_CASE("a birth is undone as long as nobody has come to use it") {
    const GroupGuard guard(3);
    const detail::Birth birth = detail::ensure_group(guard.config);
    REQUIRE(birth.created);
    detail::undo_birth(guard.config.name, detail::Generation::random());  // of another's birth
    CHECK(guard.files().size() == 3);
    {
        std::uint32_t holder = 0;
        const auto claim = SupervisorClaim::take(guard.config.name, holder);
        REQUIRE(claim);
        detail::undo_birth(guard.config.name, birth.generation);
        CHECK(guard.files().size() >= 3);
        CHECK(generations(guard.config)[0] == birth.generation);
    }
    SUBCASE("nobody") {
        detail::undo_birth(guard.config.name, birth.generation);
        CHECK(guard.files().empty());
    }
    SUBCASE("somebody who is there") {
        const Worker worker = Worker::attach(guard.config, WorkerIndex{1});
        detail::undo_birth(guard.config.name, birth.generation);
        CHECK(generations(guard.config)[2] == birth.generation);
    }
    SUBCASE("somebody who was there") {
        static_cast<void>(Worker::attach(guard.config, WorkerIndex{1}));
        detail::undo_birth(guard.config.name, birth.generation);
        CHECK(generations(guard.config)[2] == birth.generation);
    }
    // Nothing is left that holds anybody up.
    CHECK(Worker::attach(guard.config, WorkerIndex{0}).incarnation() == 1);
}

TEST_CASE("a group that is not there cannot be opened, and is not made by it") {
    const GroupGuard guard;
    const Caught caught = catch_error([&] { return Group::open(guard.config.name); });
    CHECK(caught.code == Errc::kNoGroup);
    CHECK(caught.tells({guard.config.name}));
    std::error_code error;
    CHECK_FALSE(Group::open(guard.config.name, error));
    CHECK((error == Errc::kNoGroup));
    CHECK(guard.left().empty());
}

TEST_CASE("names and geometry out of range are refused before anything is made") {
    for (const char* name : {"", "a.b", "a/b", "../x", "a b"}) {
        const GroupConfig config{.name = name, .workers = 2, .capacity = 64, .slots = 0};
        CHECK(catch_error([&] { return Group::create_or_open(config); }).code ==
              Errc::kInvalidGroupName);
        CHECK(catch_error([&] { return Group::open(name); }).code == Errc::kInvalidGroupName);
        CHECK(catch_error([&] { return Group::remove(name); }).code == Errc::kInvalidGroupName);
    }
    struct Wrong {
        std::uint32_t workers;
        std::uint64_t capacity;
        std::uint32_t slots;
        const char* found;
    };
    for (const Wrong& wrong :
         {Wrong{0, 64, 0, "0"}, Wrong{1, 64, 0, "1"}, Wrong{1025, 64, 0, "1025"},
          Wrong{3, 7, 0, "7"}, Wrong{3, (1U << 30U) + 1, 0, "1073741825"}, Wrong{3, 64, 3, "3"},
          Wrong{3, 64, 65, "65"}, Wrong{0xffff'ffff, ~std::uint64_t{0}, 0xffff'ffff, "4294967295"},
          Wrong{3, ~std::uint64_t{63}, 4, "18446744073709551552"}}) {
        const GroupGuard guard(wrong.workers, wrong.capacity, wrong.slots);
        const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
        CHECK(caught.code == Errc::kInvalidGeometry);
        CHECK_MESSAGE(caught.tells({wrong.found, "expected"}), caught.text);
        CHECK(guard.left().empty());
    }
}
