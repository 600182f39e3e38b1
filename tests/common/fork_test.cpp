// A forked child inherits nothing of a membership.
#include "child.hpp"
#include "group_guard.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace std::chrono_literals;
using test::catch_error;
using test::Child;
using test::GroupGuard;

namespace {

const auto kText = std::as_bytes(std::span("text"));

/// A worker with all its handles, one message received and one slot on loan.
struct Handles {
    explicit Handles(const GroupConfig& config)
        : other(Worker::attach(config, WorkerIndex{1})),
          sender(other->producer()),
          worker(Worker::attach(config, WorkerIndex{0})),
          producer(worker->producer()),
          consumer(worker->consumer(WorkerIndex{1})) {
        REQUIRE(sender->publish(kText) == Errc::kOk);
    }
    std::optional<Worker> other;
    std::optional<Producer<Bytes>> sender;
    std::optional<Worker> worker;
    std::optional<Producer<Bytes>> producer;
    std::optional<Consumer<Bytes>> consumer;
};

}  // namespace

TEST_CASE("every use of a handle in a forked child aborts with a message") {
    const GroupGuard guard(2);
    Handles all(guard.config);
    auto loan = all.producer->loan();
    REQUIRE(loan);
    auto pinned = all.consumer->acquire();
    REQUIRE(pinned);
    struct Use {
        std::string name;
        std::function<void()> call;
    };
    const std::vector<Use> uses{
        {"publish", [&] { static_cast<void>(all.producer->publish(kText)); }},
        {"loan", [&] { static_cast<void>(all.producer->loan()); }},
        {"publish a loan", [&] { static_cast<void>(loan.publish(1)); }},
        {"last", [&] { static_cast<void>(all.producer->last()); }},
        {"acquire", [&] { static_cast<void>(all.consumer->acquire()); }},
        {"release", [&] { static_cast<void>(pinned.release()); }},
        {"has_newer", [&] { static_cast<void>(all.consumer->has_newer()); }},
        {"wait_newer", [&] { static_cast<void>(all.consumer->wait_newer(1ms)); }},
        {"wait_any_newer", [&] { static_cast<void>(all.worker->wait_any_newer()); }},
        {"wait_for_all", [&] { static_cast<void>(all.worker->wait_for_all()); }},
        {"ready", [&] { all.worker->ready(); }},
        {"beat", [&] { all.worker->beat(); }},
        {"verify", [&] { static_cast<void>(all.worker->verify()); }},
        {"producer", [&] { static_cast<void>(all.other->producer()); }},
        {"consumer", [&] { static_cast<void>(all.other->consumer(WorkerIndex{0})); }},
    };
    for (const Use& use : uses) {
        Child child([&](Child::Line&) { use.call(); });
        const Child::End end = child.wait();
        CHECK_MESSAGE(end.signal == SIGABRT, use.name << ": " << end.signal << " " << end.status);
        CHECK_MESSAGE(end.errors.find("in a child that the worker forked") != std::string::npos,
                      use.name << ": " << end.errors);
    }
    // The parent notices nothing of it.
    CHECK(all.worker->verify() == Errc::kOk);
    CHECK(pinned.release() == Errc::kOk);
    CHECK(loan.publish(1) == Errc::kOk);
}

TEST_CASE("destroying the handles in a forked child does nothing") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    Handles all(guard.config);
    std::optional<Loan<Bytes>> loan = all.producer->loan();
    std::optional<Pinned<Bytes>> pinned = all.consumer->acquire();
    REQUIRE(loan);
    REQUIRE(pinned->operator bool());
    Child child([&](Child::Line&) {
        pinned.reset();
        loan.reset();
        all.consumer.reset();
        all.producer.reset();
        all.worker.reset();
        all.sender.reset();
        all.other.reset();
    });
    const Child::End end = child.wait();
    CHECK(end.signal == 0);
    CHECK_MESSAGE(end.status == 0, end.errors);
    CHECK(group.running(WorkerIndex{0}));
    CHECK(group.running(WorkerIndex{1}));
    CHECK(group.vital_signs(WorkerIndex{0})->state == layout::WorkerState::kAttached);
    CHECK(group.held_by(WorkerIndex{0}).size() == 1);
    CHECK(pinned->release() == Errc::kOk);
}

TEST_CASE("destroying the handles in a child unmaps nothing that the child has mapped since") {
    const GroupGuard guard(2);
    std::optional<Worker> worker = Worker::attach(guard.config, WorkerIndex{0});
    std::optional<Observer> observer = Observer::open(guard.config.name);
    Child child([&](Child::Line&) {
        // The mappings are not inherited: these take the holes that they have left, each a page.
        constexpr std::size_t kPages = 4'096;
        const auto bytes = static_cast<std::size_t>(::getpagesize());
        std::vector<char*> mine;
        for (std::size_t i = 0; i < kPages; ++i) {
            void* const page =
                ::mmap(nullptr, bytes, i % 2 == 0 ? PROT_READ | PROT_WRITE : PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (page == MAP_FAILED) {
                return 1;
            }
            mine.push_back(static_cast<char*>(page));
        }
        observer.reset();
        worker.reset();
        for (std::size_t i = 0; i < kPages; i += 2) {
            *mine[i] = 'x';
        }
        return 0;
    });
    const Child::End end = child.wait();
    CHECK(end.signal == 0);
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("destroying the handles in a child closes no descriptor that the child has opened") {
    const GroupGuard guard(2);
    std::optional<Worker> worker = Worker::attach(guard.config, WorkerIndex{0});
    Child child([&](Child::Line&) {
        // They get the numbers that the fork handler has set free.
        std::array<int, 20> opened{};
        for (int& fd : opened) {
            fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        worker.reset();
        for (const int fd : opened) {
            if (::fcntl(fd, F_GETFD) == -1) {
                return 1;
            }
        }
        return 0;
    });
    CHECK(child.wait().status == 0);
}

TEST_CASE("a child and a grandchild that outlive a killed worker do not keep its identity") {
    const GroupGuard guard(2);
    Child worker([&](Child::Line& line) {
        const Worker self = Worker::attach(guard.config, WorkerIndex{0});
        const pid_t child = ::fork();
        if (child == 0) {
            const pid_t grandchild = ::fork();
            if (grandchild == 0) {
                ::pause();
            }
            line.tell(static_cast<std::uint64_t>(grandchild));
            ::pause();
        }
        line.tell(static_cast<std::uint64_t>(child));
        ::pause();
    });
    const auto first = static_cast<pid_t>(worker.hear());
    const auto second = static_cast<pid_t>(worker.hear());
    ::kill(worker.pid(), SIGKILL);
    const auto caught = catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}); });
    CHECK_MESSAGE(caught.code == Errc::kOk, caught.text);
    CHECK(::kill(first, 0) == 0);
    CHECK(::kill(second, 0) == 0);
    ::kill(first, SIGKILL);
    ::kill(second, SIGKILL);
    CHECK(worker.wait().signal == SIGKILL);
}

TEST_CASE("a child may attach as another worker, and its own child again") {
    const GroupGuard guard(3);
    Worker worker = Worker::attach(guard.config, WorkerIndex{0});
    Child child([&](Child::Line&) {
        Worker second = Worker::attach(guard.config, WorkerIndex{1});
        const pid_t pid = ::fork();
        if (pid == 0) {
            Worker third = Worker::attach(guard.config, WorkerIndex{2});
            ::_exit(third.producer().publish(kText) == Errc::kOk ? 0 : 1);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        if (status != 0 || second.verify() != Errc::kOk) {
            return 1;
        }
        return second.consumer(WorkerIndex{2}).acquire() ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    CHECK(worker.consumer(WorkerIndex{2}).acquire().bytes().size() == kText.size());
}

TEST_CASE("a child that is forked while its parent attaches keeps no identity either") {
    const GroupGuard guard(2);
    // A pin for the successor to find.
    {
        Worker sender = Worker::attach(guard.config, WorkerIndex{1});
        REQUIRE(sender.producer().publish(kText) == Errc::kOk);
        Child killed([&](Child::Line&) {
            Worker worker = Worker::attach(guard.config, WorkerIndex{0});
            Consumer<Bytes> consumer = worker.consumer(WorkerIndex{1});
            const auto pinned = consumer.acquire();
            ::kill(::getpid(), SIGKILL);
        });
        REQUIRE(killed.wait().signal == SIGKILL);
    }
    pid_t forked = 0;
    AttachOptions options;
    options.on_stale_pin = [&](const StalePin&) {
        forked = ::fork();
        if (forked == 0) {
            ::alarm(60);
            ::pause();
            ::_exit(0);
        }
    };
    static_cast<void>(Worker::attach(guard.config, WorkerIndex{0}, options));
    REQUIRE(forked > 0);
    options = {};
    options.identity_timeout = 200ms;
    const auto caught =
        catch_error([&] { return Worker::attach(guard.config, WorkerIndex{0}, options); });
    CHECK_MESSAGE(caught.code == Errc::kOk, caught.text);
    ::kill(forked, SIGKILL);
    ::waitpid(forked, nullptr, 0);
}
