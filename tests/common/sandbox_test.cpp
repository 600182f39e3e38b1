// Where a group lies and who shares it: read-only, in other pid namespaces, under limits.
#include "child.hpp"
#include "group_guard.hpp"
#include "own_namespaces.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>

#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace shmipc;
using test::as_process_one;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

constexpr WorkerIndex kFirst{0};
constexpr WorkerIndex kSecond{1};
constexpr uid_t kNobody = 65534;
const auto kText = std::as_bytes(std::span("text"));

/// In a child: the error has this code and tells these parts; else it is printed.
bool is_error(const Caught& caught, Errc code, std::initializer_list<std::string> parts) {
    const bool good = caught.code == code && caught.tells(parts);
    if (!good) {
        std::fprintf(stderr, "%s\n", caught.text.c_str());
    }
    return good;
}

}  // namespace

TEST_CASE("in a read-only /dev/shm workers are refused with the reason, and observers may look") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        test::mount_own_shm("8m");
        static_cast<void>(Worker::attach(guard.config, kFirst).producer().publish(kText));
        if (::mount(nullptr, "/dev/shm", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
            return 1;
        }
        const Caught attach = catch_error([&] { return Worker::attach(guard.config, kFirst); });
        const Caught remove = catch_error([&] { return Group::remove(guard.config.name); });
        GroupConfig other = guard.config;
        other.name += "-other";
        const Caught create = catch_error([&] { return Group::create_or_open(other); });
        for (const Caught& caught : {attach, remove, create}) {
            if (!is_error(caught, caught.code, {"Read-only file system", "/dev/shm"}) ||
                caught.code == Errc::kOk) {
                return 2;
            }
        }
        Observer observer = Observer::open(guard.config.name);
        Observer::Message message;
        return observer.read(kFirst, message) == Errc::kOk && message.info.sequence == 1 ? 0 : 3;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("workers of different pid namespaces, all of them process 1, make one group") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    Child first([&](Child::Line& line) {
        return as_process_one([&] {
            Worker worker = Worker::attach(guard.config, kFirst);
            static_cast<void>(worker.producer().publish(kText));
            line.tell();
            line.hear();
            return 1;  // it is killed before
        });
    });
    first.hear();
    Child second([&](Child::Line& line) {
        return as_process_one([&] {
            Worker worker = Worker::attach(guard.config, kSecond);
            Consumer<Bytes> consumer = worker.consumer(kFirst);
            std::optional<Pinned<Bytes>> pinned = consumer.acquire();
            if (!*pinned || pinned->sequence() != 1) {
                return 1;
            }
            line.tell();
            line.hear();  // its producer was killed, and has a successor
            pinned.reset();
            pinned.emplace(consumer.acquire());
            return *pinned && pinned->sequence() == 2 && pinned->info().incarnation == 2 ? 0 : 2;
        });
    });
    second.hear();
    // The pid says nothing here; the lock does.
    CHECK(group.running(kFirst));
    CHECK(group.running(kSecond));
    Child third([&](Child::Line&) {
        return as_process_one([&] {
            AttachOptions options;
            options.identity_timeout = std::chrono::milliseconds{0};
            const Caught caught =
                catch_error([&] { return Worker::attach(guard.config, kFirst, options); });
            return is_error(caught, Errc::kIdentityBusy,
                            {guard.config.name, "as pid 1 of another pid namespace"})
                       ? 0
                       : 1;
        });
    });
    // From outside too: process 1 here is nobody to be stopped.
    AttachOptions at_once;
    at_once.identity_timeout = std::chrono::milliseconds{0};
    const Caught outside =
        catch_error([&] { return Worker::attach(guard.config, kFirst, at_once); });
    CHECK(outside.code == Errc::kIdentityBusy);
    CHECK_MESSAGE(outside.tells({"as pid 1 of another pid namespace"}), outside.text);
    const Caught removal = catch_error([&] { return Group::remove(guard.config.name); });
    CHECK(removal.code == Errc::kGroupBusy);
    CHECK_MESSAGE(removal.tells({"as pid 1 of another pid namespace"}), removal.text);
    const Child::End refused = third.wait();
    CHECK_MESSAGE(refused.status == 0, refused.errors);

    CHECK(first.kill().signal == SIGKILL);  // and process 1 of its namespace with it
    {
        // Waits until the kernel has let go of the dead one's lock.
        Worker successor = Worker::attach(guard.config, kFirst);
        CHECK(successor.incarnation() == 2);
        CHECK(successor.producer().publish(kText) == Errc::kOk);
    }
    second.tell();
    const Child::End end = second.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    CHECK(group.held_by(kSecond).empty());
}

TEST_CASE("without processes and locked memory to spare, workers attach and exchange") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        test::mount_own_shm("8m");
        if (::geteuid() == 0 && ::getuid() == 0 &&
            (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
            // In a user namespace there is no such user: its root has no privilege outside.
            std::fprintf(stderr, "stays the root of its namespace\n");
        }
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_NPROC, &none);
        ::setrlimit(RLIMIT_MEMLOCK, &none);
        Worker first = Worker::attach(guard.config, kFirst);
        Worker second = Worker::attach(guard.config, kSecond);
        if (first.producer().publish(kText) != Errc::kOk || !second.consumer(kFirst).acquire()) {
            return 1;
        }
        // To wait for a lock takes a thread.
        const Caught caught = catch_error([&] { return Worker::attach(guard.config, kFirst); });
        return is_error(caught, Errc::kSystem, {"cannot wait for the lock"}) ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("without /proc a group is made by root, and others are told what is missing") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        test::mount_own_shm("8m");
        if (::mount("tmpfs", "/proc", "tmpfs", 0, nullptr) != 0) {
            return 1;
        }
        const Caught caught = catch_error([&] {
            Worker worker = Worker::attach(guard.config, kFirst);
            if (worker.producer().publish(kText) != Errc::kOk) {
                throw Error(Errc::kSystem, "cannot publish");
            }
            return worker;
        });
        // Whether it may depends on who runs the tests, and on the kernel.
        return caught.code == Errc::kOk ||
                       is_error(caught, Errc::kSystem, {"there is no /proc here"})
                   ? 0
                   : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a group's name may be 64 bytes long, and no longer") {
    GroupGuard guard(2);
    guard.config.name.resize(64, 'n');
    CHECK(Worker::attach(guard.config, kFirst).incarnation() == 1);
    for (const std::size_t length : {65U, 255U, 4096U}) {
        GroupConfig longer = guard.config;
        longer.name.resize(length, 'n');
        CHECK(catch_error([&] { return Worker::attach(longer, kFirst); }).code ==
              Errc::kInvalidGroupName);
        CHECK(catch_error([&] { return Observer::open(longer.name); }).code ==
              Errc::kInvalidGroupName);
        CHECK(catch_error([&] { return Group::remove(longer.name); }).code ==
              Errc::kInvalidGroupName);
    }
}
