// Sleeping until there is something newer, and being woken, between processes.
#include "sleeper.hpp"
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include <time.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace std::chrono_literals;

TEST_CASE("a sleeper is woken by the next message, from another process") {
    const GroupGuard guard(2);
    Worker worker = attach(guard, kFirst);
    Producer<Bytes> producer = worker.producer();
    Child child(sleeper(guard, kSecond, {kFirst}));
    child.hear();
    until_asleep(child, map(guard, kFirst));
    REQUIRE(producer.publish(kText) == Errc::kOk);
    CHECK(child.wait().status == 0);
    // Who sleeps no more is woken no more.
    CHECK(map(guard, kFirst).channel().shared_part->waiting.load() == 0);
    CHECK(map(guard, kFirst).channel().shared_part->sleepers[0].load() == 0);
}

TEST_CASE("a sleeper for several channels is woken by any of them") {
    const GroupGuard guard(3);
    for (const WorkerIndex talker : {kFirst, kSecond}) {
        Worker worker = attach(guard, talker);
        Producer<Bytes> producer = worker.producer();
        Child child([&](Child::Line& line) {
            Worker self = attach(guard, kThird);
            // What there is already is no news.
            Consumer<Bytes> first = self.consumer(kFirst);
            Consumer<Bytes> second = self.consumer(kSecond);
            static_cast<void>(first.acquire());
            static_cast<void>(second.acquire());
            line.tell();
            return static_cast<int>(
                in_time([&](auto deadline) { return self.wait_any_newer(deadline); }));
        });
        child.hear();
        until_asleep(child, map(guard, kSecond));
        REQUIRE(producer.publish(kText) == Errc::kOk);
        CHECK(child.wait().status == 0);
    }
}

TEST_CASE("several sleepers of one channel are all woken") {
    const GroupGuard guard(4);
    Worker worker = attach(guard, kFirst);
    const detail::Mapping channel = map(guard, kFirst);
    Child one(sleeper(guard, kSecond, {kFirst}));
    Child two(sleeper(guard, kThird, {kFirst}));
    Child three(sleeper(guard, WorkerIndex{3}, {kFirst, kSecond, kThird}));
    for (Child* child : {&one, &two, &three}) {
        child->hear();
        until_asleep(*child, channel);
    }
    REQUIRE(worker.producer().publish(kText) == Errc::kOk);
    for (Child* child : {&one, &two, &three}) {
        CHECK(child->wait().status == 0);
    }
}

TEST_CASE("two workers that wait for each other in turn never miss a wake-up") {
    constexpr std::uint64_t kRounds = 2'000;
    const GroupGuard guard(2);
    const auto play = [&](WorkerIndex self, WorkerIndex other, bool begins) {
        Worker worker = attach(guard, self);
        Producer<Bytes> producer = worker.producer();
        Consumer<Bytes> consumer = worker.consumer(other);
        for (std::uint64_t round = 0; round < kRounds; ++round) {
            if ((begins || round > 0) && producer.publish(kText) != Errc::kOk) {
                return 1;
            }
            if (in_time([&](auto deadline) { return consumer.wait_newer(deadline); }) !=
                Errc::kOk) {
                return 2;
            }
            const auto pinned = consumer.acquire();
            if (!pinned || !pinned.fresh() || pinned.sequence() != round + 1) {
                return 3;
            }
        }
        return producer.publish(kText) == Errc::kOk || begins ? 0 : 4;
    };
    Child other([&](Child::Line&) { return play(kSecond, kFirst, false); });
    CHECK(play(kFirst, kSecond, true) == 0);
    CHECK(other.wait().status == 0);
}

TEST_CASE("what is newer already ends a wait at once, and what was acquired does not") {
    const GroupGuard guard(2);
    Worker worker = attach(guard, kFirst);
    Worker other = attach(guard, kSecond);
    REQUIRE(worker.producer().publish(kText) == Errc::kOk);
    Consumer<Bytes> consumer = other.consumer(kFirst);
    CHECK(in_time([&](auto deadline) { return consumer.wait_newer(deadline); }) == Errc::kOk);
    CHECK(consumer.wait_newer(std::chrono::nanoseconds::max()) == Errc::kOk);
    { REQUIRE(consumer.acquire()); }
    CHECK(consumer.wait_newer(0ns) == Errc::kTimeout);
    CHECK(consumer.wait_newer(-1ns) == Errc::kTimeout);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(consumer.wait_newer(20ms) == Errc::kTimeout);
    CHECK(std::chrono::steady_clock::now() - begin >= 20ms);
    CHECK(other.wait_newer({}, std::chrono::steady_clock::now() + 20ms) == Errc::kTimeout);
    CHECK(other.wait_any_newer(Worker::Deadline::min()) == Errc::kTimeout);
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("an interrupt ends the wait that runs, or else the next one, and only that") {
    const GroupGuard guard(2);
    Worker worker = attach(guard, kFirst);
    worker.interrupt();
    worker.interrupt();
    CHECK(worker.wait_any_newer() == Errc::kInterrupted);
    CHECK(worker.wait_any_newer(std::chrono::steady_clock::now()) == Errc::kTimeout);
    worker.interrupt();
    CHECK(worker.wait_for_all() == Errc::kInterrupted);
    worker.interrupt();
    CHECK(worker.wait_newer({}) == Errc::kInterrupted);
    std::thread other([&] {
        ::usleep(20'000);
        worker.interrupt();
    });
    CHECK(in_time([&](auto deadline) { return worker.wait_any_newer(deadline); }) ==
          Errc::kInterrupted);
    other.join();
    // News come first: nothing is lost by the interrupt.
    Worker second = attach(guard, kSecond);
    REQUIRE(second.producer().publish(kText) == Errc::kOk);
    worker.interrupt();
    CHECK(worker.wait_any_newer() == Errc::kOk);
    CHECK(worker.wait_any_newer() == Errc::kOk);
}

TEST_CASE("an interrupt ends the waits of all threads, and leaves none of them asleep") {
    constexpr unsigned kRounds = 300;
    constexpr unsigned kThreads = 3;
    const GroupGuard guard(kThreads + 1);
    Worker worker = attach(guard, kFirst);
    // The usual way to end them: a flag, then the interrupt. Which of them have looked at the flag
    // already, wait already, or have just been woken is another one in each round.
    std::atomic<unsigned> stopped{0};
    std::atomic<unsigned> ended{0};
    std::atomic<unsigned> overslept{0};
    const auto wait = [&](unsigned from) {
        Consumer<Bytes> consumer = worker.consumer(WorkerIndex{from});
        for (unsigned round = 1; round <= kRounds; ++round) {
            while (stopped < round) {
                const Errc outcome =
                    in_time([&](auto deadline) { return consumer.wait_newer(deadline); });
                overslept += outcome == Errc::kInterrupted ? 0U : 1U;
            }
            ++ended;
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i <= kThreads; ++i) {
        threads.emplace_back(wait, i);
    }
    ::usleep(20'000);  // in the first round they have never waited before: let them begin to
    for (unsigned round = 1; round <= kRounds; ++round) {
        stopped = round;
        worker.interrupt();
        while (ended < round * kThreads) {
            std::this_thread::yield();
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(overslept == 0);
}

TEST_CASE("options beyond all measure neither overflow nor make a wait spin") {
    const GroupGuard guard(2);
    using std::chrono::milliseconds;
    for (const milliseconds extreme :
         {milliseconds::max(), milliseconds{0}, milliseconds{-1}, milliseconds::min()}) {
        CAPTURE(extreme.count());
        AttachOptions options;
        options.heartbeat_interval = extreme;
        options.identity_timeout = extreme;
        Worker worker = Worker::attach(guard.config, kFirst, options);
        // A second one of a longer timeout waits for the first to go.
        std::thread later;
        if (extreme.count() > 0) {
            later = std::thread([&] {
                ::usleep(20'000);
                worker.interrupt();
            });
        } else {
            AttachOptions at_once = options;
            CHECK(catch_error([&] { return Worker::attach(guard.config, kFirst, at_once); }).code ==
                  Errc::kIdentityBusy);
        }
        const auto used = [] {
            timespec time{};
            ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
            return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
        };
        const auto before = used();
        const auto deadline = std::chrono::steady_clock::now() + 300ms;
        CHECK(worker.wait_newer({}, extreme.count() > 0 ? Worker::kForever : deadline) ==
              (extreme.count() > 0 ? Errc::kInterrupted : Errc::kTimeout));
        CHECK(used() - before < 200ms);  // spinning, it would be all of 300
        if (later.joinable()) {
            later.join();
        }
    }
    Worker worker = attach(guard, kFirst);
    CHECK(worker.wait_for_all(Worker::Deadline::min()) == Errc::kTimeout);
    CHECK(worker.wait_newer({}, Worker::Deadline::min()) == Errc::kTimeout);
    CHECK(worker.consumer(kSecond).wait_newer(std::chrono::nanoseconds::min()) == Errc::kTimeout);
}

namespace {

Worker* interrupted_worker = nullptr;

}  // namespace

TEST_CASE("a signal handler may interrupt a wait") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    Child child([&](Child::Line& line) {
        Worker worker = attach(guard, kSecond);
        interrupted_worker = &worker;
        std::signal(SIGTERM, [](int) { interrupted_worker->interrupt(); });
        line.tell();
        return static_cast<int>(
            in_time([&](auto deadline) { return worker.wait_any_newer(deadline); }));
    });
    child.hear();
    until_asleep(child, map(guard, kFirst));
    CHECK(child.kill(SIGTERM).status == static_cast<int>(Errc::kInterrupted));
}

TEST_CASE("waiting for all ends when each worker has been there once, alive or not") {
    const GroupGuard guard(3);
    Worker worker = attach(guard, kFirst);
    CHECK(worker.wait_for_all(std::chrono::steady_clock::now() + 10ms) == Errc::kTimeout);
    { const Worker second = attach(guard, kSecond); }
    CHECK(worker.wait_for_all(std::chrono::steady_clock::now() + 10ms) == Errc::kTimeout);
    Child third([&](Child::Line& line) {
        line.hear();
        const Worker self = attach(guard, kThird);
        ::kill(::getpid(), SIGKILL);
    });
    Child waiter([&](Child::Line& line) {
        Worker self = attach(guard, kSecond);
        line.tell();
        return static_cast<int>(
            in_time([&](auto deadline) { return self.wait_for_all(deadline); }));
    });
    waiter.hear();
    third.tell();
    CHECK(in_time([&](auto deadline) { return worker.wait_for_all(deadline); }) == Errc::kOk);
    CHECK(waiter.wait().status == 0);
    CHECK(third.wait().signal == SIGKILL);
    CHECK(worker.wait_for_all() == Errc::kOk);
}
