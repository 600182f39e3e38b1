// Too little memory, and too few rights.
#include "base/os.hpp"
#include "child.hpp"
#include "group_guard.hpp"
#include "own_namespaces.hpp"
#include "syscall_death.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;
using test::mount_own_shm;

namespace {

constexpr uid_t kNobody = 65534;

std::uint64_t free_bytes() {
    struct statvfs status {};
    ::statvfs("/dev/shm", &status);
    return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace

TEST_CASE(
    "a group larger than the free memory is refused before anything is made, with both "
    "numbers") {
    for (const GroupConfig& wanted :
         {GroupConfig{.name = {}, .workers = 1024, .capacity = kMaxCapacity, .slots = 4096},
          GroupConfig{.name = {}, .workers = 1024, .capacity = kMaxCapacity, .slots = 0}}) {
        const GroupGuard guard(wanted.workers, wanted.capacity, wanted.slots);
        const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
        CHECK(caught.code == Errc::kNoSpace);
        const std::uint64_t needed = wanted.workers * wanted.geometry().backed_bytes(4096);
        CHECK_MESSAGE(caught.tells({std::to_string(needed) + " bytes", "TiB", "free"}),
                      caught.text);
        CHECK(guard.left().empty());
    }
}

TEST_CASE("in a small /dev/shm a group that does not fit is refused, and one that fits is made") {
    const GroupGuard guard(3, 1U << 20U);
    Child child([&](Child::Line&) {
        mount_own_shm("8m");
        // 3 × 4 × 1 MiB do not fit, 2 × 3 do.
        const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
        // Without the page of the lock file, which is gone again.
        const auto page = static_cast<std::uint64_t>(::getpagesize());
        const std::string free = std::to_string(free_bytes() - page) + " bytes";
        if (caught.code != Errc::kNoSpace || !caught.tells({free}) || !guard.left().empty()) {
            std::fprintf(stderr, "%s\n", caught.text.c_str());
            return 1;
        }
        GroupConfig smaller = guard.config;
        smaller.workers = 2;
        smaller.slots = 3;
        return Group::create_or_open(smaller).created() ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE(
    "memory that runs out between the look and the birth is an error too, and leaves "
    "nothing") {
    const GroupGuard guard(3, 1U << 20U);
    Child child([&](Child::Line&) {
        mount_own_shm("64m");
        // The room is there in blocks, but the kernel refuses to reserve it: as if somebody else
        // had taken it in between.
        const rlimit limit{std::uint64_t{2} << 20U, std::uint64_t{2} << 20U};
        std::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
        if (caught.code == Errc::kOk || !guard.left().empty()) {
            std::fprintf(stderr, "%s\n", caught.text.c_str());
            return 1;
        }
        return 0;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a /dev/shm without a limit, or without file numbers left, is met with the right error") {
    const GroupGuard guard(3);
    Child child([&](Child::Line&) {
        mount_own_shm("0,nr_inodes=3");  // one of them is the directory's
        const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
        // Two objects fit, the third does not: both must be gone.
        if (caught.code != Errc::kNoSpace || !guard.left().empty()) {
            std::fprintf(stderr, "%s, %zu files\n", caught.text.c_str(), guard.files().size());
            return 1;
        }
        ::umount("/dev/shm");
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=0");
        return Group::create_or_open(guard.config).created() ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a full /dev/shm never kills a worker: its pages are reserved at birth") {
    const GroupGuard guard(2, 4096);
    Child child([&](Child::Line&) {
        mount_own_shm("1m");
        Worker worker = Worker::attach(guard.config, WorkerIndex{0});
        // Nothing is left for anybody.
        std::ofstream filler("/dev/shm/filler", std::ios::binary);
        const std::string block(4096, 'x');
        while (filler << block << std::flush) {
        }
        if (free_bytes() != 0) {
            return 1;
        }
        Producer<Bytes> producer = worker.producer();
        const std::vector<std::byte> bytes(4096, std::byte{1});
        for (int i = 0; i < 10; ++i) {
            if (producer.publish(bytes) != Errc::kOk) {
                return 2;
            }
        }
        Worker other = Worker::attach(guard.config, WorkerIndex{1});
        return other.consumer(WorkerIndex{0}).acquire().bytes().size() == 4096 ? 0 : 3;
    });
    const Child::End end = child.wait();
    CHECK(end.signal == 0);
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("who may not open the objects is told so, and harms nothing") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    Child child([&](Child::Line&) {
        const bool root = ::geteuid() == 0;
        if (root && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
            throw std::runtime_error("cannot become another user");
        }
        for (const std::string& file : guard.left()) {
            ::chmod(file.c_str(), 0);  // as their user; by another one it is refused
        }
        const Caught open = catch_error([&] { return Group::open(guard.config.name); });
        const Caught observe = catch_error([&] { return Observer::open(guard.config.name); });
        const Caught remove = catch_error([&] { return Group::remove(guard.config.name); });
        for (const Caught& caught : {open, observe, remove}) {
            if (caught.code != Errc::kNoPermission && caught.code != Errc::kOtherOwner) {
                std::fprintf(stderr, "%s\n", caught.text.c_str());
                return 1;
            }
        }
        if (observe.code != Errc::kNoPermission || !observe.tells({"Permission denied"})) {
            std::fprintf(stderr, "%s\n", observe.text.c_str());
            return 2;
        }
        return guard.files().size() == 2 ? 0 : 3;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    CHECK(guard.files().size() == 2);
}

TEST_CASE("objects of another user are refused where one could open them; observers may look") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    const uid_t other = ::getuid() + 1;
    test::pretend_user(other);
    const Caught caught = catch_error([&] { return Group::open(guard.config.name); });
    CHECK(caught.code == Errc::kOtherOwner);
    CHECK_MESSAGE(
        caught.tells({"user " + std::to_string(::getuid()), "expected " + std::to_string(other)}),
        caught.text);
    Observer observer = Observer::open(guard.config.name);
    Observer::Message message;
    CHECK(observer.read(WorkerIndex{0}, message) == Errc::kEmpty);
    test::pretend_user(std::nullopt);
    CHECK_FALSE(Group::create_or_open(guard.config).created());
}

TEST_CASE("memory that another process takes at that moment is an error too, and leaves nothing") {
    // Reservations of a birth of three objects, each of three parts.
    for (int count = 0; count < 9; ++count) {
        const GroupGuard guard(3);
        test::fail_at(test::Call::kReserve, count, ENOSPC);
        const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
        test::fail_at(test::Call::kNone, 0, 0);
        CHECK(caught.code == Errc::kNoSpace);
        CHECK_MESSAGE(caught.tells({"cannot reserve", "/dev/shm",
                                    object_name(guard.config.name,
                                                WorkerIndex{static_cast<std::uint32_t>(count / 3)}),
                                    "No space left"}),
                      caught.text);
        CHECK(guard.left().empty());
        CHECK(Group::create_or_open(guard.config).created());
    }
}

TEST_CASE("a worker of a group of 1024 lives within a limit of 64 open files") {
    const GroupGuard guard(1024, 8);
    // As the supervisor and shmipcctl do: who looks after a group has all of its objects open.
    os::raise_descriptor_limit();
    static_cast<void>(Group::create_or_open(guard.config));
    Child child([&](Child::Line&) {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 64;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        Worker worker = Worker::attach(guard.config, WorkerIndex{1023});
        Worker other = Worker::attach(guard.config, WorkerIndex{0});
        if (worker.producer().publish(std::as_bytes(std::span("x"))) != Errc::kOk) {
            return 1;
        }
        return other.consumer(WorkerIndex{1023}).acquire() ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("who watches or removes a group with too low a limit of open files is told so") {
    const GroupGuard guard(64, 8);
    static_cast<void>(Group::create_or_open(guard.config));
    Child child([&](Child::Line&) {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 40;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        for (const Caught& caught :
             {catch_error([&] { return Group::open(guard.config.name); }),
              catch_error([&] { return Group::remove(guard.config.name); })}) {
            if (caught.code != Errc::kSystem || !caught.tells({"Too many open files"})) {
                std::fprintf(stderr, "%s\n", caught.text.c_str());
                return 1;
            }
        }
        return guard.files().size() == 64 ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}
