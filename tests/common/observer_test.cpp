// What is seen of a group from outside: by watchers, which map nothing, and by observers.
#include "group_guard.hpp"
#include "plain_channel.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/protocol/words.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include <unistd.h>

using namespace shmipc;
using namespace std::chrono_literals;
using layout::WorkerState;
using test::catch_error;
using test::Caught;
using test::GroupGuard;

template <>
struct shmipc::PayloadName<std::uint32_t> {
    static constexpr std::string_view kName = "test.number";
};

namespace {

constexpr WorkerIndex kFirst{0};
constexpr WorkerIndex kSecond{1};

}  // namespace

TEST_CASE("a channel with impossible values is refused by its producer, and told by its readers") {
    const GroupGuard guard(2);
    {
        Worker worker = Worker::attach(guard.config, kFirst);
        REQUIRE(worker.producer<std::uint32_t>().publish(7) == Errc::kOk);
    }
    REQUIRE(
        test::write_at(guard.path(0), offsetof(layout::ProducerPart, current), ~std::uint64_t{0}));
    const Caught caught = catch_error([&] { return Worker::attach(guard.config, kFirst); });
    CHECK(caught.code == Errc::kCorruptChannel);
    CHECK_MESSAGE(caught.tells({object_name(guard.config.name, kFirst), "shmipcctl"}), caught.text);
    Worker reader = Worker::attach(guard.config, kSecond);
    CHECK(reader.consumer<std::uint32_t>(kFirst).acquire().status() == Errc::kCorruptChannel);
    Observer observer = Observer::open(guard.config.name);
    Observer::Message message;
    CHECK(observer.read(kFirst, message) == Errc::kCorruptChannel);
    CHECK(message.bytes.empty());
}

TEST_CASE("what all consumers have read and hold is counted in one look") {
    const GroupGuard guard(3);
    const Group group = Group::create_or_open(guard.config);
    Worker first = Worker::attach(guard.config, kFirst);
    Worker second = Worker::attach(guard.config, kSecond);
    auto written = first.producer<std::uint32_t>();
    auto also = second.producer<std::uint32_t>();
    auto back = first.consumer<std::uint32_t>(kSecond);
    auto read = second.consumer<std::uint32_t>(kFirst);
    REQUIRE(also.publish(1) == Errc::kOk);
    for (std::uint32_t i = 0; i < 5; ++i) {
        REQUIRE(written.publish(i) == Errc::kOk);
        REQUIRE(read.acquire());
    }
    const auto held = back.acquire();
    REQUIRE(held);
    const std::vector<ConsumerTotals> totals = group.consumer_totals();
    REQUIRE(totals.size() == 3);
    CHECK(totals[0].read == 1);
    CHECK(totals[0].held == 1);
    CHECK(totals[1].read == 5);
    CHECK(totals[1].held == 0);
    CHECK(totals[2].read == 0);
    for (std::uint32_t i = 0; i < 3; ++i) {
        CHECK(totals[i].read == group.read_by(WorkerIndex{i}));
        CHECK(totals[i].held == group.held_by(WorkerIndex{i}).size());
    }
}

TEST_CASE("the latest message is told without its bytes, and never one that was not published") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    CHECK_FALSE(group.latest(kFirst));
    CHECK_FALSE(group.latest(WorkerIndex{2}));
    Worker worker = Worker::attach(guard.config, kFirst);
    auto producer = worker.producer<std::uint32_t>();
    for (std::uint32_t i = 1; i <= 3; ++i) {
        REQUIRE(producer.publish(i) == Errc::kOk);
        const auto info = group.latest(kFirst);
        REQUIRE(info);
        CHECK(info->sequence == i);
        CHECK(info->incarnation == 1);
        CHECK(info->size == sizeof(std::uint32_t));
        REQUIRE(info->age());
        CHECK(*info->age() < 1min);
    }
    // What the slot says must fit what `current` says; and `current` must name a slot.
    REQUIRE(test::write_at(guard.path(0), offsetof(layout::ProducerPart, current),
                           protocol::Current(4, SlotIndex{0}).raw()));
    CHECK_FALSE(group.latest(kFirst));
    REQUIRE(
        test::write_at(guard.path(0), offsetof(layout::ProducerPart, current), ~std::uint64_t{0}));
    CHECK_FALSE(group.latest(kFirst));
}

TEST_CASE("the vital signs tell of a worker's life") {
    const GroupGuard guard(3);
    const Group group = Group::create_or_open(guard.config);
    auto signs = group.vital_signs(kFirst);
    REQUIRE(signs);
    CHECK((signs->state == WorkerState::kNever));
    CHECK(signs->pid == 0);
    CHECK(signs->incarnation == 0);
    CHECK(signs->written == 0);
    {
        Worker worker = Worker::attach(guard.config, kFirst);
        signs = group.vital_signs(kFirst);
        CHECK((signs->state == WorkerState::kAttached));
        CHECK(signs->pid == static_cast<std::uint32_t>(::getpid()));
        CHECK(signs->incarnation == 1);
        CHECK(signs->started > 0ns);
        const std::uint64_t before = signs->heartbeat;
        worker.beat();
        CHECK(group.vital_signs(kFirst)->heartbeat != before);
        worker.ready();
        CHECK((group.vital_signs(kFirst)->state == WorkerState::kReady));
        const std::uint64_t ready = group.vital_signs(kFirst)->heartbeat;
        CHECK(worker.wait_newer({}, std::chrono::steady_clock::now()) == Errc::kTimeout);
        CHECK(group.vital_signs(kFirst)->heartbeat != ready);
        Producer<std::uint32_t> producer = worker.producer<std::uint32_t>();
        for (std::uint32_t i = 0; i < 5; ++i) {
            REQUIRE(producer.publish(i) == Errc::kOk);
        }
        CHECK(group.vital_signs(kFirst)->written == 5);
    }
    signs = group.vital_signs(kFirst);
    CHECK((signs->state == WorkerState::kStopped));
    CHECK(signs->written == 5);
    CHECK_FALSE(group.vital_signs(WorkerIndex{3}));
}

TEST_CASE("what a worker holds and has read is seen from outside") {
    const GroupGuard guard(3);
    const Group group = Group::create_or_open(guard.config);
    Worker first = Worker::attach(guard.config, kFirst);
    Worker second = Worker::attach(guard.config, kSecond);
    Worker third = Worker::attach(guard.config, WorkerIndex{2});
    Producer<std::uint32_t> one = first.producer<std::uint32_t>();
    Producer<std::uint32_t> two = second.producer<std::uint32_t>();
    Consumer<std::uint32_t> from_one = third.consumer<std::uint32_t>(kFirst);
    Consumer<std::uint32_t> from_two = third.consumer<std::uint32_t>(kSecond);
    CHECK(group.held_by(WorkerIndex{2}).empty());
    CHECK(group.read_by(WorkerIndex{2}) == 0);
    for (std::uint32_t i = 0; i < 3; ++i) {
        REQUIRE(one.publish(i) == Errc::kOk);
        REQUIRE(two.publish(i) == Errc::kOk);
        REQUIRE(two.publish(i) == Errc::kOk);
        REQUIRE(from_one.acquire());
        REQUIRE(from_one.acquire());
    }
    CHECK(group.read_by(WorkerIndex{2}) == 3);
    const auto held_one = from_one.acquire();
    const auto held_two = from_two.acquire();
    REQUIRE(two.publish(9) == Errc::kOk);
    const auto held = group.held_by(WorkerIndex{2});
    REQUIRE(held.size() == 2);
    CHECK(held[0].channel == kFirst);
    CHECK(held[0].sequence == 3);
    CHECK(held[1].channel == kSecond);
    CHECK(held[1].sequence == 6);
    CHECK(group.read_by(WorkerIndex{2}) == 4);
    CHECK(group.held_by(kFirst).empty());
    CHECK(group.held_by(WorkerIndex{3}).empty());
    CHECK(group.read_by(WorkerIndex{3}) == 0);
}

TEST_CASE("a watcher outlives an object that is truncated under it") {
    const GroupGuard guard(2);
    const Group group = Group::create_or_open(guard.config);
    REQUIRE(::truncate(guard.path(0).c_str(), 10) == 0);
    CHECK_FALSE(group.vital_signs(kFirst));
    CHECK(group.held_by(kSecond).empty());
    CHECK(group.read_by(kSecond) == 0);
    CHECK_FALSE(group.running(kFirst));
}

TEST_CASE("an observer reads messages without being in the group, and in nobody's way") {
    const GroupGuard guard(2, 100);
    Worker worker = Worker::attach(guard.config, kFirst);
    Observer observer = Observer::open(guard.config.name);
    CHECK(observer.workers() == 2);
    Observer::Message message;
    CHECK(observer.read(kFirst, message) == Errc::kEmpty);
    CHECK(observer.read(WorkerIndex{2}, message) == Errc::kInvalidIndex);
    CHECK(observer.payload(kFirst).name.empty());
    Producer<Bytes> producer = worker.producer();
    CHECK(observer.payload(kFirst).name == "bytes");
    CHECK(observer.payload(kFirst).size == 0);
    CHECK(observer.payload(WorkerIndex{2}).name.empty());
    std::vector<std::byte> bytes(100);
    for (std::size_t size = 0; size <= 100; ++size) {
        test::fill(std::span(bytes).first(size), size + 1);
        REQUIRE(producer.publish(std::span(bytes).first(size)) == Errc::kOk);
        REQUIRE(observer.read(kFirst, message) == Errc::kOk);
        REQUIRE(message.bytes.size() == size);
        REQUIRE(message.info.sequence == size + 1);
        REQUIRE(message.info.incarnation == 1);
        REQUIRE(message.info.size == size);
        REQUIRE((message.info.time_source == TimeSource::kCoarse));
        REQUIRE(test::intact(message.bytes, size + 1));
    }
    CHECK(Group::open(guard.config.name).held_by(kSecond).empty());
    std::error_code error;
    CHECK_FALSE(Observer::open("no-such-group", error));
    CHECK((error == Errc::kNoGroup));
    CHECK(catch_error([] { return Observer::open("a.b"); }).code == Errc::kInvalidGroupName);
}

TEST_CASE("an observer that copies reads the same messages, and grows only to their length") {
    const GroupGuard guard(2, 1U << 20U);
    Worker worker = Worker::attach(guard.config, kFirst);
    Observer observer = Observer::open(guard.config.name, Observer::Reading::kCopied);
    CHECK(observer.workers() == 2);
    Observer::Message message;
    CHECK(observer.read(kFirst, message) == Errc::kEmpty);
    CHECK(observer.read(WorkerIndex{2}, message) == Errc::kInvalidIndex);
    CHECK(observer.payload(kFirst).name.empty());
    Producer<Bytes> producer = worker.producer();
    CHECK(observer.payload(kFirst).name == "bytes");
    CHECK(observer.payload(WorkerIndex{2}).name.empty());
    std::vector<std::byte> bytes(1U << 20U);
    std::uint64_t sequence = 0;
    for (const std::size_t size : {0U, 1U, 7U, 8U, 31U, 32U, 33U, 64U, 100U, 4096U, 70'000U}) {
        CAPTURE(size);
        test::fill(std::span(bytes).first(size), ++sequence);
        REQUIRE(producer.publish(std::span(bytes).first(size)) == Errc::kOk);
        REQUIRE(observer.read(kFirst, message) == Errc::kOk);
        REQUIRE(message.bytes.size() == size);
        REQUIRE(message.info.sequence == sequence);
        REQUIRE(message.info.incarnation == 1);
        REQUIRE(message.info.size == size);
        REQUIRE(test::intact(message.bytes, sequence));
        CHECK(message.bytes.capacity() <= 2 * std::size_t{70'000});
    }
    CHECK(Group::open(guard.config.name).held_by(kSecond).empty());
    CHECK(catch_error([] {
              return Observer::open("no-such-group", Observer::Reading::kCopied);
          }).code == Errc::kNoGroup);
    CHECK(catch_error([] { return Observer::open("a.b", Observer::Reading::kCopied); }).code ==
          Errc::kInvalidGroupName);
}

TEST_CASE("an observer that copies outlives whatever a worker does to its object") {
    const GroupGuard guard(3, 100);
    {  // gone before the others' objects are broken: it maps them
        Worker worker = Worker::attach(guard.config, kSecond);
        Producer<std::uint32_t> producer = worker.producer<std::uint32_t>();
        REQUIRE(producer.publish(7) == Errc::kOk);
    }
    const auto reads_second = [](Observer& observer) {
        Observer::Message message;
        return observer.read(kSecond, message) == Errc::kOk && message.bytes.size() == 4;
    };
    Observer observer = Observer::open(guard.config.name, Observer::Reading::kCopied);
    Observer::Message message;
    SUBCASE("truncated while it looks on") {
        for (const off_t size : {100'000, 200, 130, 10, 0}) {
            CAPTURE(size);
            REQUIRE(::truncate(guard.path(0).c_str(), size) == 0);
            const Errc outcome = observer.read(kFirst, message);
            CHECK((outcome == Errc::kEmpty || outcome == Errc::kTruncated));
            CHECK(observer.payload(kFirst).name.empty());
            CHECK(reads_second(observer));
        }
        CHECK(observer.read(kFirst, message) == Errc::kTruncated);
    }
    SUBCASE("truncated before it looks") {
        REQUIRE(::truncate(guard.path(0).c_str(), 10) == 0);
        CHECK(catch_error([&] { return Observer::open(guard.config.name); }).code ==
              Errc::kTruncated);
        Observer late = Observer::open(guard.config.name, Observer::Reading::kCopied);
        CHECK(late.workers() == 3);
        CHECK(late.read(kFirst, message) == Errc::kTruncated);
        CHECK(late.payload(kFirst).name.empty());
        CHECK(reads_second(late));
    }
    SUBCASE("removed") {
        REQUIRE(::unlink(guard.path(2).c_str()) == 0);
        Observer late = Observer::open(guard.config.name, Observer::Reading::kCopied);
        CHECK(late.read(WorkerIndex{2}, message) != Errc::kOk);
        CHECK(reads_second(late));
    }
    SUBCASE("impossible values") {
        REQUIRE(test::write_at(guard.path(0), offsetof(layout::ProducerPart, current),
                               ~std::uint64_t{0}));
        CHECK(observer.read(kFirst, message) == Errc::kCorruptChannel);
        CHECK(message.bytes.empty());
        CHECK(reads_second(observer));
    }
}
