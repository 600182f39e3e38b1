// What outlives a worker: messages, sequences, incarnations, pins.
#include "child.hpp"
#include "group_guard.hpp"
#include "plain_channel.hpp"
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>

using namespace shmipc;
using namespace std::chrono_literals;
using test::Child;
using test::GroupGuard;

template <>
struct shmipc::PayloadName<std::uint32_t> {
    static constexpr std::string_view kName = "test.number";
};

namespace {

constexpr WorkerIndex kFirst{0};
constexpr WorkerIndex kSecond{1};

/// A worker that is killed while it has the latest message of worker 0 pinned (`keep`: released).
void die_with_pin(const GroupConfig& config, WorkerIndex index, bool keep) {
    Child child([&](Child::Line&) {
        Worker worker = Worker::attach(config, index);
        Consumer<std::uint32_t> consumer = worker.consumer<std::uint32_t>(kFirst);
        auto pinned = consumer.acquire();
        if (keep) {
            static_cast<void>(pinned.release());
        }
        ::kill(::getpid(), SIGKILL);
    });
    REQUIRE(child.wait().signal == SIGKILL);
}

}  // namespace

TEST_CASE("of a producer that is dead for good the last message can be read, with its age") {
    const GroupGuard guard(3);
    Worker reader = Worker::attach(guard.config, kSecond);
    Worker late = Worker::attach(guard.config, WorkerIndex{2});
    Consumer<std::uint32_t> consumer = reader.consumer<std::uint32_t>(kFirst);
    const Group group = Group::open(guard.config.name);
    Child child([&](Child::Line& line) {
        AttachOptions options;
        options.time_source = TimeSource::kPrecise;
        Worker worker = Worker::attach(guard.config, kFirst, options);
        static_cast<void>(worker.producer<std::uint32_t>().publish(7));
        line.tell();
        line.hear();
        return 1;  // it is killed before
    });
    child.hear();
    const auto held = consumer.acquire();
    REQUIRE(held);
    CHECK(group.running(kFirst));
    CHECK(child.kill().signal == SIGKILL);
    CHECK_FALSE(group.running(kFirst));
    // Whoever holds it, asks again, or asks for the first time.
    CHECK(*held == 7);
    Consumer<std::uint32_t> other = late.consumer<std::uint32_t>(kFirst);
    const auto acquired = other.acquire();
    REQUIRE(acquired);
    CHECK(*acquired == 7);
    REQUIRE(held.info().age());
    const auto before = *held.info().age();
    CHECK(before.count() > 0);
    CHECK(*acquired.info().age() >= before);
    CHECK_FALSE(consumer.has_newer());
    CHECK(consumer.wait_newer(std::chrono::milliseconds{1}) == Errc::kTimeout);
}

TEST_CASE("values, sequences and incarnations go on across a worker's ends and deaths") {
    const GroupGuard guard(2);
    for (std::uint32_t life = 1; life <= 6; ++life) {
        Child child([&](Child::Line&) {
            Worker worker = Worker::attach(guard.config, kFirst);
            Producer<std::uint32_t> producer = worker.producer<std::uint32_t>();
            std::uint32_t value = 0;
            if (worker.incarnation() != life ||
                producer.sequence() != std::uint64_t{3} * (life - 1) ||
                producer.last(value) != (life > 1) || value != 3 * (life - 1)) {
                return 1;
            }
            for (int i = 0; i < 3; ++i) {
                static_cast<void>(producer.publish(++value));
            }
            if (life % 2 == 0) {
                ::kill(::getpid(), SIGKILL);
            }
            return 0;
        });
        const Child::End end = child.wait();
        CHECK(end.status == (life % 2 == 0 ? -1 : 0));
    }
    Worker reader = Worker::attach(guard.config, kSecond);
    const auto message = reader.consumer<std::uint32_t>(kFirst).acquire();
    CHECK(*message == 18);
    CHECK(message.sequence() == 18);
    CHECK(message.info().incarnation == 6);
}

TEST_CASE("the last message's bytes are there for a restarted producer") {
    const GroupGuard guard(2, 100);
    {
        Worker worker = Worker::attach(guard.config, kFirst);
        Producer<Bytes> producer = worker.producer();
        CHECK(producer.last().empty());
        std::vector<std::byte> bytes(77);
        test::fill(bytes, 42);
        REQUIRE(producer.publish(bytes) == Errc::kOk);
        CHECK(test::intact(producer.last(), 42));
    }
    Worker worker = Worker::attach(guard.config, kFirst);
    Producer<Bytes> producer = worker.producer();
    CHECK(producer.last().size() == 77);
    CHECK(test::intact(producer.last(), 42));
    {
        const auto loan = producer.loan();
        test::fill(loan.bytes(), 43);
        CHECK(test::intact(producer.last(), 42));
    }
    REQUIRE(producer.publish({}) == Errc::kOk);
    CHECK(producer.last().empty());
    CHECK(producer.sequence() == 2);
}

TEST_CASE("a message has the time of its publishing by the clock that the producer chose") {
    for (const TimeSource source : {TimeSource::kNone, TimeSource::kCoarse, TimeSource::kPrecise}) {
        const GroupGuard guard(2);
        AttachOptions options;
        options.time_source = source;
        Worker worker = Worker::attach(guard.config, kFirst, options);
        Worker reader = Worker::attach(guard.config, kSecond);
        const auto before = now(source);
        REQUIRE(worker.producer<std::uint32_t>().publish(5) == Errc::kOk);
        const auto after = now(source);
        const MessageInfo info = reader.consumer<std::uint32_t>(kFirst).acquire().info();
        CHECK(info.sequence == 1);
        CHECK(info.incarnation == 1);
        CHECK(info.size == 4);
        CHECK((info.time_source == source));
        if (source == TimeSource::kNone) {
            CHECK(info.time == 0ns);
            CHECK_FALSE(info.age());
        } else {
            CHECK(info.time >= before);
            CHECK(info.time <= after);
            CHECK(before > 0ns);
            REQUIRE(info.age());
            CHECK(*info.age() >= 0ns);
            CHECK(*info.age() < 60s);
        }
    }
}

TEST_CASE("the age of a message from the future is 0, and an unknown clock has none") {
    MessageInfo info;
    info.time_source = TimeSource::kPrecise;
    info.time = now(TimeSource::kPrecise) + 1h;
    CHECK(info.age() == 0ns);
    info.time = now(TimeSource::kPrecise) - 1h;
    CHECK(*info.age() >= 1h);
    info.time_source = TimeSource{77};
    CHECK_FALSE(info.age());
}

TEST_CASE("a successor reclaims the pins of its dead predecessor, and may read what was held") {
    for (const bool keep : {false, true}) {
        const GroupGuard guard(3);
        Worker sender = Worker::attach(guard.config, kFirst);
        Producer<std::uint32_t> producer = sender.producer<std::uint32_t>();
        REQUIRE(producer.publish(7) == Errc::kOk);
        die_with_pin(guard.config, WorkerIndex{2}, keep);
        for (std::uint32_t i = 0; i < 20; ++i) {
            REQUIRE(producer.publish(100 + i) == Errc::kOk);
        }
        const Group group = Group::open(guard.config.name);
        CHECK(group.held_by(WorkerIndex{2}).size() == (keep ? 0 : 1));
        unsigned calls = 0;
        AttachOptions options;
        options.on_stale_pin = [&](const StalePin& pin) {
            ++calls;
            CHECK(pin.channel == kFirst);
            CHECK(pin.held == !keep);
            CHECK(pin.info.sequence == 1);
            std::uint32_t value = 0;
            REQUIRE(pin.bytes.size() == sizeof value);
            std::memcpy(&value, pin.bytes.data(), sizeof value);
            CHECK(value == 7);
        };
        Worker successor = Worker::attach(guard.config, WorkerIndex{2}, options);
        CHECK(calls == 1);
        REQUIRE(successor.reclaimed_pins().size() == 1);
        CHECK(successor.reclaimed_pins()[0].channel == kFirst);
        CHECK(successor.reclaimed_pins()[0].held == !keep);
        CHECK(successor.reclaimed_pins()[0].sequence == 1);
        CHECK(group.held_by(WorkerIndex{2}).empty());
        CHECK(*successor.consumer<std::uint32_t>(kFirst).acquire() == 119);
    }
}

TEST_CASE("a worker that ends in order leaves no pin") {
    const GroupGuard guard(2);
    Worker sender = Worker::attach(guard.config, kFirst);
    REQUIRE(sender.producer<std::uint32_t>().publish(7) == Errc::kOk);
    {
        Worker worker = Worker::attach(guard.config, kSecond);
        CHECK(*worker.consumer<std::uint32_t>(kFirst).acquire() == 7);
    }
    CHECK(Worker::attach(guard.config, kSecond).reclaimed_pins().empty());
}

TEST_CASE(
    "where on_stale_pin throws, attaching does, and the pin and the identity stay for the "
    "next") {
    const GroupGuard guard(2);
    Worker sender = Worker::attach(guard.config, kFirst);
    REQUIRE(sender.producer<std::uint32_t>().publish(7) == Errc::kOk);
    die_with_pin(guard.config, kSecond, false);
    AttachOptions options;
    options.on_stale_pin = [](const StalePin&) { throw std::runtime_error("no"); };
    CHECK_THROWS_WITH(static_cast<void>(Worker::attach(guard.config, kSecond, options)), "no");
    options.on_stale_pin = nullptr;
    options.identity_timeout = 0ms;
    const Worker worker = Worker::attach(guard.config, kSecond, options);
    REQUIRE(worker.reclaimed_pins().size() == 1);
    CHECK(worker.reclaimed_pins()[0].held);
}
