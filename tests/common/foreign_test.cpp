// What other users do with names in /dev/shm and with locks on files that they may read. Users need
// root: without it the foreign names are directories, pipes and links of our own, which do not
// count either, and it is said.
#include "child.hpp"
#include "group_guard.hpp"
#include "identity.hpp"
#include "lock_file.hpp"
#include "names.hpp"
#include "syscall_death.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace std::chrono_literals;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

constexpr uid_t kVictim = 65533;
constexpr uid_t kEvil = 65534;
const auto kText = std::as_bytes(std::span("text"));

bool has_users() {
    return ::geteuid() == 0;
}

/// In a child.
void become(uid_t user) {
    if (has_users() &&
        (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0)) {
        throw std::runtime_error("cannot become another user");
    }
}

enum class Kind { kFile, kOpenFile, kDirectory, kPipe, kLink, kDanglingLink };
constexpr Kind kKinds[] = {Kind::kFile, Kind::kOpenFile, Kind::kDirectory,
                           Kind::kPipe, Kind::kLink,     Kind::kDanglingLink};

bool make(Kind kind, const std::string& path) {
    switch (kind) {
        case Kind::kFile:
        case Kind::kOpenFile: {
            const os::Fd file(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
            return ::write(file.get(), "x\n", 2) == 2 &&
                   ::fchmod(file.get(), kind == Kind::kFile ? 0600 : 0666) == 0;
        }
        case Kind::kDirectory:
            return ::mkdir(path.c_str(), 0777) == 0;
        case Kind::kPipe:
            return ::mkfifo(path.c_str(), 0666) == 0;
        case Kind::kLink:
            return ::symlink("/etc/passwd", path.c_str()) == 0;
        case Kind::kDanglingLink:
            return ::symlink("/nonexistent/file", path.c_str()) == 0;
    }
    return false;
}

/// Another user's.
void put(Kind kind, const std::string& path) {
    Child evil([&](Child::Line&) {
        become(kEvil);
        return make(kind, path) ? 0 : 1;
    });
    const Child::End end = evil.wait();
    REQUIRE_MESSAGE(end.status == 0, end.errors);
}

/// Kinds that do not count, for who this test is.
std::vector<Kind> foreign_kinds() {
    if (has_users()) {
        return {std::begin(kKinds), std::end(kKinds)};
    }
    MESSAGE("not root: another user's regular files are left out");
    return {Kind::kDirectory, Kind::kPipe, Kind::kLink, Kind::kDanglingLink};
}

/// A group's whole life, as the victim. Returns 0, or the number of the step that failed.
int live(const GroupGuard& guard) {
    become(kVictim);
    std::uint32_t holder = 0;
    auto claim = SupervisorClaim::take(guard.config.name, holder);
    if (!claim || SupervisorClaim::take(guard.config.name, holder) ||
        holder != static_cast<std::uint32_t>(::getpid())) {
        return 1;
    }
    const Group group = Group::create_or_open(guard.config);
    if (!group.created() || Group::create_or_open(guard.config).created()) {
        return 2;
    }
    {
        Worker first = Worker::attach(guard.config, WorkerIndex{0});
        Worker second = Worker::attach(guard.config, WorkerIndex{1});
        if (first.producer().publish(kText) != Errc::kOk ||
            !second.consumer(WorkerIndex{0}).acquire() || first.verify() != Errc::kOk ||
            group.verify_name(WorkerIndex{0}) != Errc::kOk || !group.running(WorkerIndex{1}) ||
            group.running(WorkerIndex{2})) {
            return 3;
        }
        Observer observer = Observer::open(guard.config.name);
        Observer::Message message;
        if (observer.read(WorkerIndex{0}, message) != Errc::kOk) {
            return 4;
        }
        if (catch_error([&] { return Group::remove(*claim); }).code != Errc::kGroupBusy) {
            return 5;
        }
    }
    if (!Group::remove(*claim) || Group::remove(*claim)) {
        return 6;
    }
    claim.reset();
    for (const detail::Name& name : detail::names_of(guard.config.name)) {
        if (name.owner == ::geteuid()) {
            std::fprintf(stderr, "left: %s\n", name.file.c_str());
            return 7;
        }
    }
    return 0;
}

void expect_life(const GroupGuard& guard) {
    Child victim([&](Child::Line&) { return live(guard); });
    const Child::End end = victim.wait();
    CHECK(end.signal == 0);
    CHECK_MESSAGE(end.status == 0, end.errors);
}

os::Fd open_to_read(const std::string& path) {
    return os::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

/// Holds a read lock on the whole file, as whoever may open it for reading can.
bool read_lock(int fd) {
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

}  // namespace

TEST_CASE("names that another user has put into /dev/shm keep no group from its life") {
    for (const Kind kind : foreign_kinds()) {
        for (const char* name : {".0", ".1", ".2", ".900", ".lock"}) {
            CAPTURE(static_cast<int>(kind));
            CAPTURE(name);
            const GroupGuard guard(3);
            const std::string path = "/dev/shm/shmipc." + guard.config.name + name;
            put(kind, path);
            expect_life(guard);
            CHECK(guard.left() == std::vector{path});
        }
    }
}

TEST_CASE("all of a group's names may be another user's, and objects of his own") {
    const GroupGuard guard(3);
    Child evil([&](Child::Line& line) {
        become(kEvil);
        if (has_users()) {
            std::uint32_t holder = 0;
            const auto claim = SupervisorClaim::take(guard.config.name, holder);
            const Worker worker = Worker::attach(guard.config, WorkerIndex{0});
            line.tell();
            line.hear();
        } else {
            for (std::uint32_t i = 0; i < 3; ++i) {
                make(Kind::kDirectory, guard.path(i));
            }
            make(Kind::kDirectory, guard.lock_path());
            line.tell();
            line.hear();
        }
    });
    evil.hear();
    expect_life(guard);
    evil.tell();
    CHECK(evil.wait().status == 0);
}

TEST_CASE("a name that another user takes away again makes no second lock file, nor second birth") {
    const GroupGuard guard(2);
    const Kind kind = has_users() ? Kind::kOpenFile : Kind::kPipe;
    put(kind, guard.lock_path());
    put(kind, guard.path(0));
    Child victim([&](Child::Line& line) {
        become(kVictim);
        std::uint32_t holder = 0;
        const auto claim = SupervisorClaim::take(guard.config.name, holder);
        const Worker worker = Worker::attach(guard.config, WorkerIndex{0});
        line.tell();
        line.hear();
        if (SupervisorClaim::take(guard.config.name, holder)) {
            return 1;
        }
        AttachOptions impatient;
        impatient.identity_timeout = 0ms;
        if (catch_error([&] {
                return Worker::attach(guard.config, WorkerIndex{0}, impatient);
            }).code != Errc::kIdentityBusy) {
            return 2;
        }
        return Group::create_or_open(guard.config).created() ? 3 : 0;
    });
    victim.hear();
    REQUIRE(::unlink(guard.lock_path().c_str()) == 0);
    REQUIRE(::unlink(guard.path(0).c_str()) == 0);
    victim.tell();
    const Child::End end = victim.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("of creators that race under foreign names one makes the birth, and all share its lock") {
    for (int round = 0; round < 10; ++round) {
        const GroupGuard guard(3);
        put(has_users() ? Kind::kFile : Kind::kDirectory, guard.lock_path());
        put(has_users() ? Kind::kFile : Kind::kDirectory, guard.path(1));
        std::deque<Child> children;
        for (int i = 0; i < 8; ++i) {
            children.emplace_back([&](Child::Line& line) {
                become(kVictim);
                line.tell();
                line.hear();
                std::uint32_t holder = 0;
                const auto claim = SupervisorClaim::take(guard.config.name, holder);
                const bool born = Group::create_or_open(guard.config).created();
                line.tell();
                line.hear();
                return (born ? 1 : 0) + (claim ? 2 : 0);
            });
        }
        for (Child& child : children) {
            child.hear();
        }
        for (Child& child : children) {
            child.tell();
        }
        for (Child& child : children) {
            child.hear();
        }
        std::size_t locks = 0;
        for (const detail::Name& name : detail::names_of(guard.config.name)) {
            locks += !name.index && name.owner != kEvil ? 1U : 0U;
        }
        CHECK(locks == 1);
        int sum = 0;
        for (Child& child : children) {
            child.tell();
        }
        for (Child& child : children) {
            const Child::End end = child.wait();
            CHECK_MESSAGE(end.status >= 0, end.errors);
            CHECK_MESSAGE(end.status <= 3, end.errors);
            sum += end.status;
        }
        CHECK(sum == 3);  // one birth, one claim
    }
}

TEST_CASE("a maker of a lock file that dies leaves one that the next takes up") {
    for (const bool foreign : {false, true}) {
        const GroupGuard guard(2);
        if (foreign) {
            put(Kind::kDirectory, guard.lock_path());
        }
        // As it is between its link and its completion.
        const std::string file = guard.lock_path() + (foreign ? ".0123456789abcdef" : "");
        const os::Fd empty(::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
        REQUIRE(empty);
        CHECK(Group::create_or_open(guard.config).created());
        CHECK(guard.left().size() == (foreign ? 4 : 3));
        struct stat status {};
        REQUIRE(::stat(file.c_str(), &status) == 0);
        CHECK(status.st_size > 0);
        CHECK(Group::remove(guard.config.name));
        CHECK(guard.left().size() == (foreign ? 1 : 0));
    }
}

TEST_CASE(
    "a lock file is for nobody else to open, whatever the umask, and an older one is replaced") {
    for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{0777}}) {
        const GroupGuard guard(2);
        const mode_t old = ::umask(mask);
        static_cast<void>(detail::LockFile::open_or_make(guard.config.name, ::geteuid()));
        ::umask(old);
        struct stat status {};
        REQUIRE(::stat(guard.lock_path().c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0600);
        // Somebody changes it.
        REQUIRE(::chmod(guard.lock_path().c_str(), 0666) == 0);
        static_cast<void>(detail::LockFile::open_or_make(guard.config.name, ::geteuid()));
        REQUIRE(::stat(guard.lock_path().c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0600);
    }
    const GroupGuard guard(2);
    const os::Fd older(::open(guard.lock_path().c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0660));
    REQUIRE(::fchmod(older.get(), 0664) == 0);
    const os::Fd reader = open_to_read(guard.lock_path());
    REQUIRE(read_lock(reader.get()));
    const auto begin = std::chrono::steady_clock::now();
    CHECK(Group::create_or_open(guard.config).created());
    CHECK(std::chrono::steady_clock::now() - begin < 9s);  // did not wait for the reader
    CHECK_FALSE(detail::is_named(older.get(), detail::lock_name(guard.config.name)));
}

TEST_CASE("who holds read locks on the objects keeps nobody from attaching, nor from removing") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    std::vector<os::Fd> readers;
    for (std::uint32_t i = 0; i < 2; ++i) {
        readers.push_back(open_to_read(guard.path(i)));
        REQUIRE(read_lock(readers.back().get()));
    }
    CHECK_FALSE(group.running(WorkerIndex{0}));
    AttachOptions impatient;
    impatient.identity_timeout = 0ms;
    for (int incarnation = 1; incarnation <= 2; ++incarnation) {
        const Worker worker = Worker::attach(guard.config, WorkerIndex{0}, impatient);
        CHECK(worker.incarnation() == static_cast<std::uint32_t>(incarnation));
        CHECK(group.running(WorkerIndex{0}));
        CHECK(catch_error([&] {
                  return Worker::attach(guard.config, WorkerIndex{0}, impatient);
              }).code == Errc::kIdentityBusy);
        const Caught busy = catch_error([&] { return Group::remove(guard.config.name); });
        CHECK(busy.code == Errc::kGroupBusy);
        CHECK_MESSAGE(busy.tells({"worker 0", std::to_string(::getpid())}), busy.text);
    }
    CHECK_FALSE(group.running(WorkerIndex{0}));
    CHECK(Group::remove(guard.config.name));
    CHECK(guard.left().empty());
}

TEST_CASE("a worker of an older program, which holds its object alone, is seen") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    os::Fd older(::open(guard.path(1).c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(detail::lock_exclusively(older.get(), 0ms, "x"));
    AttachOptions impatient;
    impatient.identity_timeout = 0ms;
    CHECK(group.running(WorkerIndex{1}));
    CHECK(catch_error([&] {
              return Worker::attach(guard.config, WorkerIndex{1}, impatient);
          }).code == Errc::kIdentityBusy);
    CHECK(catch_error([&] { return Group::remove(guard.config.name); }).code == Errc::kGroupBusy);
    older.reset();
    CHECK(Worker::attach(guard.config, WorkerIndex{1}, impatient).incarnation() == 1);
}

TEST_CASE("one process at a time has the claim on a group, and removal by others is refused") {
    const GroupGuard guard(2);
    std::uint32_t holder = 0;
    {
        Child supervisor([&](Child::Line& line) {
            std::uint32_t other = 0;
            auto claim = SupervisorClaim::take(guard.config.name, other);
            static_cast<void>(Group::create_or_open(guard.config));
            line.tell();
            line.hear();
            return Group::remove(*claim) && guard.left().size() == 1 ? 0 : 1;
        });
        supervisor.hear();
        CHECK_FALSE(SupervisorClaim::take(guard.config.name, holder));
        CHECK(holder == static_cast<std::uint32_t>(supervisor.pid()));
        const Caught caught = catch_error([&] { return Group::remove(guard.config.name); });
        CHECK(caught.code == Errc::kGroupBusy);
        CHECK_MESSAGE(caught.tells({"a supervisor runs group '" + guard.config.name + "' (pid " +
                                        std::to_string(supervisor.pid()) + ")",
                                    "systemctl stop shmipc@" + guard.config.name}),
                      caught.text);
        CHECK(guard.left().size() == 3);
        supervisor.tell();
        const Child::End end = supervisor.wait();
        CHECK_MESSAGE(end.status == 0, end.errors);
    }
    Child killed([&](Child::Line& line) {
        std::uint32_t other = 0;
        const auto claim = SupervisorClaim::take(guard.config.name, other);
        static_cast<void>(Group::create_or_open(guard.config));
        line.tell();
        line.hear();
    });
    killed.hear();
    CHECK(killed.kill().signal == SIGKILL);
    CHECK(guard.left().size() == 3);
    auto claim = SupervisorClaim::take(guard.config.name, holder);
    REQUIRE(claim);
    CHECK(Group::remove(*claim));
    CHECK(guard.left().size() == 1);
    claim.reset();
    CHECK(guard.left().empty());
    CHECK(catch_error([&] { return SupervisorClaim::take("a.b", holder); }).code ==
          Errc::kInvalidGroupName);
}

TEST_CASE("a claim whose lock file was removed is made anew, or is another's") {
    const GroupGuard guard(2);
    std::uint32_t holder = 0;
    auto first = SupervisorClaim::take(guard.config.name, holder);
    REQUIRE(first);
    CHECK(first->renew(holder));
    REQUIRE(::unlink(guard.lock_path().c_str()) == 0);
    CHECK(first->renew(holder));
    CHECK(guard.left().size() == 1);
    CHECK_FALSE(SupervisorClaim::take(guard.config.name, holder));
    REQUIRE(::unlink(guard.lock_path().c_str()) == 0);
    auto second = SupervisorClaim::take(guard.config.name, holder);
    REQUIRE(second);
    CHECK_FALSE(first->renew(holder));
    CHECK(holder == static_cast<std::uint32_t>(::getpid()));
    first.reset();
    CHECK(guard.left().size() == 1);
    second.reset();
    CHECK(guard.left().empty());
}

TEST_CASE("root removes another user's group, also where a third has put names beside it") {
    if (!has_users()) {
        MESSAGE("not root: left out");
        return;
    }
    for (const Kind kind : kKinds) {
        const GroupGuard guard(2);
        put(kind, guard.path(0));
        put(kind, guard.lock_path());
        put(kind, guard.path(7));
        Child victim([&](Child::Line&) {
            become(kVictim);
            static_cast<void>(
                Worker::attach(guard.config, WorkerIndex{0}).producer().publish(kText));
        });
        REQUIRE(victim.wait().status == 0);
        Observer observer = Observer::open(guard.config.name);
        Observer::Message message;
        CHECK(observer.read(WorkerIndex{0}, message) == Errc::kOk);
        CHECK(Group::remove(guard.config.name));
        for (const detail::Name& name : detail::names_of(guard.config.name)) {
            CHECK(name.owner != kVictim);
        }
    }
}

TEST_CASE("a lock file that root has made for another user is that user's") {
    if (!has_users()) {
        MESSAGE("not root: left out");
        return;
    }
    const GroupGuard guard(2);
    Child victim([&](Child::Line& line) {
        become(kVictim);
        static_cast<void>(Group::create_or_open(guard.config));
        line.tell();
        line.hear();
        return Worker::attach(guard.config, WorkerIndex{0}).incarnation() == 1 ? 0 : 1;
    });
    victim.hear();
    REQUIRE(::unlink(guard.lock_path().c_str()) == 0);
    {
        Child root([&](Child::Line&) {
            test::die_at(test::Call::kUnlink, 0);
            Group::remove(guard.config.name);
        });
        REQUIRE(root.wait().signal == SIGKILL);
    }
    struct stat status {};
    REQUIRE(::stat(guard.lock_path().c_str(), &status) == 0);
    CHECK(status.st_uid == kVictim);
    victim.tell();
    const Child::End end = victim.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}
