// Every way in which an object can be the wrong one is an error of its own.
#include "group_guard.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>

#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::GroupGuard;
using test::write_at;

namespace {

/// What everybody who comes to the group gets to hear: creators, workers, watchers and observers.
void expect(const GroupGuard& guard, Errc code, std::initializer_list<std::string> parts) {
    const std::string& name = guard.config.name;
    const std::size_t files = guard.files().size();
    for (const Caught& caught :
         {catch_error([&] { return Group::create_or_open(guard.config); }),
          catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}); }),
          catch_error([&] { return Group::open(name); }),
          catch_error([&] { return Observer::open(name); })}) {
        CHECK(caught.code == code);
        CHECK_MESSAGE(caught.tells(parts), caught.text);
    }
    std::error_code error;
    CHECK_FALSE(Worker::attach(guard.config, WorkerIndex{1}, {}, error));
    CHECK((error == code));
    // Nothing was harmed, and no lock file is left.
    CHECK(guard.files().size() == files);
}

template <class Value>
void expect_header(std::size_t offset, Value value, Errc code,
                   std::initializer_list<std::string> parts) {
    const GroupGuard guard(3);
    static_cast<void>(Group::create_or_open(guard.config));
    REQUIRE(write_at(guard.path(1), static_cast<off_t>(offset), value));
    expect(guard, code, parts);
    CHECK(catch_error([&] {
              return Group::open(guard.config.name);
          }).tells({object_name(guard.config.name, WorkerIndex{1})}));
    // It can always be removed.
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
}

/// A group that exists with `born`, and a program that says `config` is told `code`.
void expect_other(GroupConfig born, GroupConfig config, Errc code,
                  std::initializer_list<std::string> parts) {
    const GroupGuard guard;
    born.name = guard.config.name;
    config.name = guard.config.name;
    static_cast<void>(Group::create_or_open(born));
    for (const Caught& caught :
         {catch_error([&] { return Group::create_or_open(config); }),
          catch_error([&] { return Worker::attach(config, WorkerIndex{0}); })}) {
        CHECK(caught.code == code);
        CHECK_MESSAGE(caught.tells(parts), caught.text);
    }
    // Whoever only looks takes the group as it is.
    CHECK(Group::open(born.name).geometry() == born.geometry());
    CHECK_FALSE(Group::create_or_open(born).created());
}

}  // namespace

TEST_CASE("a group made with other numbers is refused, with both numbers in the text") {
    const GroupConfig born{.name = {}, .workers = 4, .capacity = 96, .slots = 6};
    GroupConfig other = born;
    other.workers = 3;
    other.slots = 6;
    expect_other(born, other, Errc::kGroupSizeMismatch, {"workers 4", "expected 3", "shmipcctl"});
    other = born;
    other.workers = 5;
    expect_other(born, other, Errc::kGroupSizeMismatch, {"workers 4", "expected 5"});
    other = born;
    other.capacity = 97;
    expect_other(born, other, Errc::kCapacityMismatch, {"capacity 96", "expected 97"});
    other = born;
    other.slots = 5;
    expect_other(born, other, Errc::kSlotCountMismatch, {"slots 6", "expected 5"});
}

TEST_CASE("no number of slots and the default said outright are the same") {
    const GroupGuard guard(3, 64, 33);
    static_cast<void>(Group::create_or_open(guard.config));
    GroupConfig config = guard.config;
    config.slots = 0;
    CHECK_FALSE(Group::create_or_open(config).created());
    CHECK(catch_error([&] { return Worker::attach(config, WorkerIndex{0}); }).code == Errc::kOk);
}

TEST_CASE("an object of another program is refused") {
    expect_header(offsetof(layout::Header, magic), std::uint64_t{0x1234}, Errc::kNotAnObject,
                  {"magic"});
}

TEST_CASE("an object of another layout version is refused") {
    expect_header(offsetof(layout::Header, layout_version), std::uint32_t{77}, Errc::kLayoutVersion,
                  {"version 77", "expected 2"});
}

TEST_CASE("an object compiled with other sizes is refused") {
    expect_header(offsetof(layout::Header, layout_hash), std::uint64_t{4711}, Errc::kLayoutHash,
                  {"hash 4711", "expected " + std::to_string(layout::layout_hash())});
}

TEST_CASE("an object of another birth is refused") {
    expect_header(offsetof(layout::Header, generation), std::uint64_t{1}, Errc::kGenerationMismatch,
                  {"generation"});
}

TEST_CASE("the object of another worker under this name is refused") {
    expect_header(offsetof(layout::Header, index), std::uint32_t{2}, Errc::kIndexMismatch,
                  {"index 2", "expected 1"});
}

TEST_CASE("a header with numbers out of range is refused") {
    expect_header(offsetof(layout::Header, group_size), std::uint32_t{0}, Errc::kNotAnObject,
                  {"corrupt header"});
    expect_header(offsetof(layout::Header, group_size), ~std::uint32_t{0}, Errc::kNotAnObject,
                  {"corrupt header"});
    expect_header(offsetof(layout::Header, slot_count), std::uint32_t{3}, Errc::kNotAnObject,
                  {"corrupt header"});
    expect_header(offsetof(layout::Header, slot_count), ~std::uint32_t{0}, Errc::kNotAnObject,
                  {"corrupt header"});
    expect_header(offsetof(layout::Header, capacity), ~std::uint64_t{0}, Errc::kNotAnObject,
                  {"corrupt header"});
    expect_header(offsetof(layout::Header, capacity), std::uint64_t{0}, Errc::kNotAnObject,
                  {"corrupt header"});
}

TEST_CASE("a header that does not fit the object's true size is refused") {
    expect_header(offsetof(layout::Header, capacity), std::uint64_t{1} << 30U, Errc::kTruncated,
                  {"expected"});
    expect_header(offsetof(layout::Header, slot_count), std::uint32_t{5}, Errc::kTruncated, {});
    expect_header(offsetof(layout::Header, object_bytes), std::uint64_t{1}, Errc::kTruncated, {});
}

TEST_CASE("an object that was cut off or lengthened is refused, with both sizes") {
    const GroupConfig config{.name = {}, .workers = 3, .capacity = 64, .slots = 0};
    const auto right = static_cast<off_t>(config.geometry().object_bytes());
    for (const off_t bytes : {off_t{0}, off_t{1}, off_t{63}, off_t{64}, off_t{65536}, right - 1,
                              right + 1, 2 * right}) {
        const GroupGuard guard(3);
        static_cast<void>(Group::create_or_open(guard.config));
        REQUIRE(::truncate(guard.path(2).c_str(), bytes) == 0);
        expect(guard, Errc::kTruncated, {std::to_string(bytes) + " bytes", "expected"});
        CHECK(Group::remove(guard.config.name));
        CHECK(guard.left().empty());
    }
}

TEST_CASE("garbage of any kind in a header is refused as something and harms nobody") {
    std::uint64_t random = 99;
    for (int round = 0; round < 200; ++round) {
        const GroupGuard guard(2);
        static_cast<void>(Group::create_or_open(guard.config));
        random = random * 6364136223846793005U + 1442695040888963407U;
        const auto word = static_cast<off_t>((random >> 33U) % 8);
        random = random * 6364136223846793005U + 1442695040888963407U;
        REQUIRE(write_at(guard.path(1), word * 8, random));
        CHECK(catch_error([&] { return Group::create_or_open(guard.config); }).code != Errc::kOk);
        CHECK(catch_error([&] { return Group::open(guard.config.name); }).code != Errc::kOk);
        CHECK(Group::remove(guard.config.name));
    }
}

TEST_CASE("an object under another worker's name, or of another birth, is refused as such") {
    const GroupGuard guard(3);
    static_cast<void>(Group::create_or_open(guard.config));
    REQUIRE(::rename(guard.path(2).c_str(), guard.path(1).c_str()) == 0);
    CHECK(catch_error([&] { return Group::create_or_open(guard.config); }).code ==
          Errc::kIndexMismatch);
    REQUIRE(Group::remove(guard.config.name));

    const GroupGuard other(3);
    static_cast<void>(Group::create_or_open(guard.config));
    static_cast<void>(Group::create_or_open(other.config));
    REQUIRE(::rename(other.path(1).c_str(), guard.path(1).c_str()) == 0);
    expect(guard, Errc::kGenerationMismatch,
           {object_name(guard.config.name, WorkerIndex{1}), "generation"});
}

TEST_CASE("what is no regular file is no object, and holds nobody up") {
    for (const char* kind : {"pipe", "directory", "link"}) {
        const GroupGuard guard(2);
        const std::string path = guard.path(0);
        REQUIRE((*kind == 'p'   ? ::mkfifo(path.c_str(), 0660)
                 : *kind == 'd' ? ::mkdir(path.c_str(), 0770)
                                : ::symlink("/etc/passwd", path.c_str())) == 0);
        for (const Caught& caught :
             {catch_error([&] { return Group::open(guard.config.name); }),
              catch_error([&] { return Observer::open(guard.config.name); })}) {
            CHECK(caught.code == Errc::kNotAnObject);
            CHECK_MESSAGE(caught.tells({"regular file"}), caught.text);
        }
        // A birth calls its object otherwise.
        CHECK(Group::create_or_open(guard.config).created());
        CHECK(Observer::open(guard.config.name).workers() == 2);
        CHECK(Group::remove(guard.config.name));
        CHECK(guard.left() == std::vector{path});
    }
}

TEST_CASE("groups whose names begin alike do not meddle with each other") {
    const GroupGuard guard(2);
    GroupConfig longer = guard.config;
    longer.name += "-b";
    static_cast<void>(Group::create_or_open(guard.config));
    static_cast<void>(Group::create_or_open(longer));
    CHECK(Group::remove(guard.config.name));
    CHECK(Group::open(longer.name).geometry().workers == 2);
    CHECK(Group::remove(longer.name));
}
