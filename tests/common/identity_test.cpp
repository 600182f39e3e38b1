// One process at a time is worker i, and notices when it no longer is.
#include "identity.hpp"

#include "child.hpp"
#include "group_guard.hpp"
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace shmipc;
using namespace std::chrono_literals;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

AttachOptions impatient() {
    AttachOptions options;
    options.identity_timeout = 0ms;
    return options;
}

}  // namespace

TEST_CASE("a second worker of the same index is refused, with the pid of the first") {
    const GroupGuard guard(3);
    Child first([&](Child::Line& line) {
        const Worker worker = Worker::attach(guard.config, WorkerIndex{2});
        line.tell();
        line.hear();
    });
    first.hear();
    const Caught caught =
        catch_error([&] { return Worker::attach(guard.config, WorkerIndex{2}, impatient()); });
    CHECK(caught.code == Errc::kIdentityBusy);
    CHECK_MESSAGE(caught.text.starts_with("worker 2 of group '" + guard.config.name +
                                          "' is already running (last known pid " +
                                          std::to_string(first.pid()) + ")"),
                  caught.text);
    std::error_code error;
    CHECK_FALSE(Worker::attach(guard.config, WorkerIndex{2}, impatient(), error));
    CHECK((error == Errc::kIdentityBusy));
    // The others are free, and so is this one afterwards.
    CHECK(catch_error([&] { return Worker::attach(guard.config, WorkerIndex{1}); }).code ==
          Errc::kOk);
    first.tell();
    CHECK(first.wait().status == 0);
    CHECK(Worker::attach(guard.config, WorkerIndex{2}).incarnation() == 2);
}

TEST_CASE("a worker attached twice in one process conflicts with itself") {
    const GroupGuard guard(2);
    std::optional<Worker> first = Worker::attach(guard.config, WorkerIndex{0});
    const Caught caught =
        catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}, impatient()); });
    CHECK(caught.code == Errc::kIdentityBusy);
    CHECK(caught.tells({std::to_string(::getpid())}));
    // The failed attempt has taken nothing away.
    CHECK(first->verify() == Errc::kOk);
    CHECK(catch_error([&] {
              return Worker::attach(guard.config, WorkerIndex{0}, impatient());
          }).code == Errc::kIdentityBusy);
    const Worker other = Worker::attach(guard.config, WorkerIndex{1}, impatient());
    first.reset();
    CHECK(Worker::attach(guard.config, WorkerIndex{0}, impatient()).incarnation() == 2);
}

TEST_CASE("an identity lasts as long as any of its handles") {
    const GroupGuard guard(2);
    std::optional<Worker> worker = Worker::attach(guard.config, WorkerIndex{0});
    std::optional<Producer<Bytes>> producer = worker->producer();
    std::optional<Consumer<Bytes>> consumer = worker->consumer(WorkerIndex{1});
    const auto busy = [&] {
        return catch_error([&] {
                   return Worker::attach(guard.config, WorkerIndex{0}, impatient());
               }).code == Errc::kIdentityBusy;
    };
    worker.reset();
    CHECK(busy());
    CHECK(producer->publish(std::as_bytes(std::span("x"))) == Errc::kOk);
    producer.reset();
    CHECK(busy());
    CHECK(consumer->acquire().status() == Errc::kEmpty);
    consumer.reset();
    CHECK_FALSE(busy());
}

TEST_CASE("attaching waits for the lock of a process that has just been killed") {
    const GroupGuard guard(2, 16U << 20U);
    for (int round = 0; round < 5; ++round) {
        Child worker([&](Child::Line& line) {
            const Worker self = Worker::attach(guard.config, WorkerIndex{0});
            line.tell();
            line.hear();
        });
        worker.hear();
        ::kill(worker.pid(), SIGKILL);
        // At once, without waiting for the death.
        const Caught caught =
            catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}); });
        CHECK_MESSAGE(caught.code == Errc::kOk, caught.text);
        CHECK(worker.wait().signal == SIGKILL);
    }
}

TEST_CASE("attaching waits for a lock that is let go of within the timeout, and no longer") {
    const GroupGuard guard(2);
    std::optional<Worker> first = Worker::attach(guard.config, WorkerIndex{0});
    AttachOptions options;
    options.identity_timeout = 50ms;
    const auto begin = std::chrono::steady_clock::now();
    CHECK(catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}, options); }).code ==
          Errc::kIdentityBusy);
    CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
    options.identity_timeout = 30s;
    std::thread releaser([&] {
        std::this_thread::sleep_for(20ms);
        first.reset();
    });
    CHECK(Worker::attach(guard.config, WorkerIndex{0}, options).incarnation() == 2);
    releaser.join();
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE(
    "a worker that was waiting for the lock of an object that goes meanwhile takes the new "
    "one") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    os::Fd holder(::open(guard.path(0).c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(detail::lock_exclusively(holder.get(), 0ms, "x"));
    std::thread remover([&] {
        // Long enough for the attach to be waiting; where it is not, nothing is proved.
        std::this_thread::sleep_for(100ms);
        ::unlink(guard.path(0).c_str());
        ::unlink(guard.path(1).c_str());
        holder.reset();
    });
    AttachOptions options;
    options.identity_timeout = 30s;
    Worker worker = Worker::attach(guard.config, WorkerIndex{0}, options);
    remover.join();
    CHECK(worker.verify() == Errc::kOk);
    CHECK(guard.files().size() == 2);
}

TEST_CASE("whether a worker runs can be asked without taking its lock") {
    const GroupGuard guard(3);
    const Group group = Group::create_or_open(guard.config);
    CHECK_FALSE(group.running(WorkerIndex{1}));
    std::optional<Worker> worker = Worker::attach(guard.config, WorkerIndex{1}, impatient());
    CHECK(group.running(WorkerIndex{1}));
    CHECK_FALSE(group.running(WorkerIndex{0}));
    CHECK_FALSE(group.running(WorkerIndex{3}));
    worker.reset();
    CHECK_FALSE(group.running(WorkerIndex{1}));
    CHECK(catch_error([&] {
              return Worker::attach(guard.config, WorkerIndex{1}, impatient());
          }).code == Errc::kOk);
}

TEST_CASE("a worker whose object was removed or replaced says so, and can still be read") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    Worker worker = Worker::attach(guard.config, WorkerIndex{0});
    CHECK(worker.verify() == Errc::kOk);
    CHECK_FALSE(worker.name_lost());
    CHECK(group.verify_name(WorkerIndex{0}) == Errc::kOk);
    REQUIRE(::unlink(guard.path(0).c_str()) == 0);
    CHECK(worker.verify() == Errc::kNameLost);
    CHECK(worker.name_lost());
    CHECK(group.verify_name(WorkerIndex{0}) == Errc::kNameLost);
    CHECK(group.verify_name(WorkerIndex{1}) == Errc::kOk);
    CHECK(group.verify_name(WorkerIndex{2}) == Errc::kInvalidIndex);
    CHECK(worker.producer().publish(std::as_bytes(std::span("x"))) == Errc::kOk);

    // Replaced by an object of the same name.
    Worker other =
        Worker::attach({.name = guard.config.name + "x", .workers = 2, .capacity = 64, .slots = 0},
                       WorkerIndex{1});
    REQUIRE(::rename(("/dev/shm/shmipc." + guard.config.name + "x.1").c_str(),
                     guard.path(0).c_str()) == 0);
    CHECK(worker.verify() == Errc::kNameLost);
    CHECK(other.verify() == Errc::kNameLost);
    ::unlink(("/dev/shm/shmipc." + guard.config.name + "x.0").c_str());
    ::unlink(("/dev/shm/shmipc." + guard.config.name + "x.lock").c_str());
}

TEST_CASE("waiting notices that the name was lost") {
    const GroupGuard guard(2);
    Worker worker = Worker::attach(guard.config, WorkerIndex{0});
    REQUIRE(::unlink(guard.path(0).c_str()) == 0);
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!worker.name_lost() && std::chrono::steady_clock::now() < deadline) {
        CHECK(worker.wait_newer({}, std::chrono::steady_clock::now() + 10ms) == Errc::kTimeout);
    }
    CHECK(worker.name_lost());
}

TEST_CASE("a worker whose descriptor was closed under it aborts with a message") {
    const GroupGuard guard(2);
    for (const bool reopened : {false, true}) {
        Child child([&](Child::Line&) {
            Worker worker = Worker::attach(guard.config, WorkerIndex{0});
            for (int fd = 3; fd < 100; ++fd) {
                ::close(fd);
                if (reopened) {
                    ::open("/dev/null", O_RDONLY);
                }
            }
            static_cast<void>(worker.verify());
        });
        const Child::End end = child.wait();
        CHECK(end.signal == SIGABRT);
        CHECK_MESSAGE(end.errors.find("the descriptor that holds this worker's identity was "
                                      "closed by the program") != std::string::npos,
                      end.errors);
    }
}

TEST_CASE("an index beyond the group is refused before anything is made") {
    const GroupGuard guard(3);
    const Caught caught = catch_error([&] { return Worker::attach(guard.config, WorkerIndex{3}); });
    CHECK(caught.code == Errc::kInvalidIndex);
    CHECK(caught.tells({"3", "0 to 2"}));
    CHECK(guard.left().empty());
}

TEST_CASE("no descriptor of a worker is inherited by a program that it starts") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    const Worker worker = Worker::attach(guard.config, WorkerIndex{0});
    unsigned seen = 0;
    for (int fd = 3; fd < 200; ++fd) {
        std::array<char, 256> path{};
        const std::string link = "/proc/self/fd/" + std::to_string(fd);
        if (::readlink(link.c_str(), path.data(), path.size() - 1) > 0 &&
            std::string(path.data()).find(guard.config.name) != std::string::npos) {
            ++seen;
            CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    CHECK(seen == 4);  // the group's two, the worker's own, and the lock file
}

TEST_CASE("a lock on a file is exclusive, seen by others, and gone with its last descriptor") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    const auto open = [&] { return os::Fd(::open(guard.path(0).c_str(), O_RDWR | O_CLOEXEC)); };
    os::Fd first = open();
    const os::Fd second = open();
    CHECK_FALSE(detail::is_locked(second.get(), "x"));
    CHECK(detail::lock_exclusively(first.get(), 0ms, "x"));
    CHECK(detail::lock_exclusively(first.get(), 0ms, "x"));
    CHECK(detail::is_locked(second.get(), "x"));
    CHECK_FALSE(detail::is_locked(first.get(), "x"));
    CHECK_FALSE(detail::lock_exclusively(second.get(), 0ms, "x"));
    CHECK_FALSE(detail::lock_exclusively(second.get(), 20ms, "x"));
    {
        const os::Fd third = open();  // closing another descriptor of the file releases nothing
    }
    CHECK(detail::is_locked(second.get(), "x"));
    first.reset();
    CHECK(detail::lock_exclusively(second.get(), 0ms, "x"));
    CHECK(catch_error([] { return detail::lock_exclusively(-1, 0ms, "x"); }).code == Errc::kSystem);
}
