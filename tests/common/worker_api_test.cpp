// Worker, Producer and Consumer as programs use them.
#include "child.hpp"
#include "group_guard.hpp"
#include "plain_channel.hpp"
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <optional>
#include <vector>

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

struct Pose {
    double x;
    double y;
    std::uint32_t count;
};

}  // namespace

template <>
struct shmipc::PayloadName<Pose> {
    static constexpr std::string_view kName = "test.Pose";
};

namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}
std::string as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Two workers in one process.
struct Pair {
    explicit Pair(std::uint32_t workers = 2, std::uint64_t capacity = 64)
        : guard(workers, capacity),
          first(Worker::attach(guard.config, WorkerIndex{0})),
          second(Worker::attach(guard.config, WorkerIndex{1})) {}
    GroupGuard guard;
    Worker first;
    Worker second;
};

constexpr WorkerIndex kFirst{0};
constexpr WorkerIndex kSecond{1};

}  // namespace

TEST_CASE("a value that one worker publishes is read by the others where it lies") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    Consumer<Pose> consumer = pair.second.consumer<Pose>(kFirst);
    CHECK(consumer.producer() == kFirst);
    CHECK(consumer.acquire().status() == Errc::kEmpty);
    CHECK_FALSE(consumer.has_newer());
    REQUIRE(producer.publish({1.5, 2.5, 3}) == Errc::kOk);
    CHECK(producer.sequence() == 1);
    CHECK(consumer.has_newer());
    Pinned<Pose> pose = consumer.acquire();
    REQUIRE(pose);
    CHECK(pose.status() == Errc::kOk);
    CHECK((*pose).x == 1.5);
    CHECK(pose->y == 2.5);
    CHECK(pose->count == 3);
    CHECK(pose.fresh());
    CHECK(pose.sequence() == 1);
    CHECK(pose.bytes().size() == sizeof(Pose));
    for (int i = 0; i < 10; ++i) {
        REQUIRE(producer.publish({0, 0, 0}) == Errc::kOk);
    }
    CHECK(pose->count == 3);
    CHECK(pose.release() == Errc::kOk);
    CHECK_FALSE(pose);
    CHECK(pose.release() == Errc::kNotPinned);
}

TEST_CASE("a slot on loan is filled in place, and published or given back") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    Consumer<Pose> consumer = pair.second.consumer<Pose>(kFirst);
    {
        Loan<Pose> loan = producer.loan();
        REQUIRE(loan);
        *loan = {1, 2, 3};
        loan->count = 4;
        CHECK(loan.publish() == Errc::kOk);
        CHECK_FALSE(loan);
        CHECK(loan.publish() == Errc::kNotLoaned);
    }
    CHECK(consumer.acquire()->count == 4);
    {
        Loan<Pose> returned = producer.loan();
        returned->count = 5;
    }
    CHECK(producer.sequence() == 1);
    CHECK(consumer.acquire()->count == 4);
    CHECK_FALSE(consumer.acquire().fresh());
}

TEST_CASE("a message is made where it is sent") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    Consumer<Pose> consumer = pair.second.consumer<Pose>(kFirst);
    for (std::uint32_t i = 1; i <= 100; ++i) {
        REQUIRE(producer.publish_with([i](Pose& pose) {
            pose = {1.0 * i, 2.0 * i, i};
        }) == Errc::kOk);
        const Pinned<Pose> pose = consumer.acquire();
        REQUIRE(pose);
        REQUIRE(pose->x == 1.0 * i);
        REQUIRE(pose->count == i);
        REQUIRE(pose.info().time_source == TimeSource::kCoarse);
        REQUIRE(pose.info().age());
    }
    const Loan<Pose> loan = producer.loan();
    bool called = false;
    CHECK(producer.publish_with([&called](Pose& /*pose*/) { called = true; }) ==
          Errc::kAlreadyLoaned);
    CHECK_FALSE(called);
    CHECK(producer.sequence() == 100);
}

TEST_CASE("a second loan, or publishing beside one, is an error and harms nothing") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    Loan<Pose> loan = producer.loan();
    REQUIRE(loan);
    Loan<Pose> second = producer.loan();
    CHECK_FALSE(second);
    CHECK(second.status() == Errc::kAlreadyLoaned);
    CHECK(second.publish() == Errc::kNotLoaned);
    CHECK(producer.publish({1, 1, 1}) == Errc::kAlreadyLoaned);
    CHECK(producer.sequence() == 0);
    *loan = {7, 7, 7};
    Loan<Pose> moved = std::move(loan);
    CHECK_FALSE(loan);
    CHECK(moved.publish() == Errc::kOk);
    CHECK(pair.second.consumer<Pose>(kFirst).acquire()->count == 7);
    CHECK(producer.publish({1, 1, 1}) == Errc::kOk);
    Loan<Pose> again = producer.loan();
    REQUIRE(again);
    again = Loan<Pose>(std::move(moved));  // gives the slot back
    CHECK(producer.loan());
}

TEST_CASE("bytes of any length up to the capacity arrive as they are") {
    for (const std::uint64_t capacity : {8U, 31U, 32U, 33U, 64U, 127U, 1000U, 4096U}) {
        Pair pair(2, capacity);
        Producer<Bytes> producer = pair.first.producer();
        Consumer<Bytes> consumer = pair.second.consumer(kFirst);
        CHECK(producer.capacity() == capacity);
        CHECK(pair.first.capacity() == capacity);
        std::vector<std::byte> buffer(capacity + 1);
        for (std::uint64_t size = 0; size <= capacity; size += size < 130 ? 1 : 487) {
            test::fill(std::span(buffer).first(size), size + 1);
            REQUIRE(producer.publish(std::span(buffer).first(size)) == Errc::kOk);
            const Pinned<Bytes> pinned = consumer.acquire();
            REQUIRE(pinned.bytes().size() == size);
            REQUIRE(pinned.info().size == size);
            REQUIRE(test::intact(pinned.bytes(), size + 1));
        }
        const std::uint64_t before = producer.sequence();
        CHECK(producer.publish(buffer) == Errc::kTooLarge);
        CHECK(producer.sequence() == before);
        Loan<Bytes> loan = producer.loan();
        CHECK(loan.bytes().size() == capacity);
        CHECK(loan.publish(capacity + 1) == Errc::kTooLarge);
        CHECK(loan);  // still open
        test::fill(loan.bytes(), 5);
        CHECK(loan.publish(capacity) == Errc::kOk);
        CHECK(test::intact(consumer.acquire().bytes(), 5));
    }
}

TEST_CASE("a pinned message that another is assigned to is released") {
    const GroupGuard guard(3);
    Worker sender = Worker::attach(guard.config, WorkerIndex{0});
    Worker second = Worker::attach(guard.config, WorkerIndex{1});
    Worker reader = Worker::attach(guard.config, WorkerIndex{2});
    Producer<Pose> producer = sender.producer<Pose>();
    Producer<Pose> other = second.producer<Pose>();
    REQUIRE(producer.publish({1, 1, 1}) == Errc::kOk);
    REQUIRE(other.publish({2, 2, 2}) == Errc::kOk);
    Consumer<Pose> first = reader.consumer<Pose>(WorkerIndex{0});
    Consumer<Pose> last = reader.consumer<Pose>(WorkerIndex{1});
    Pinned<Pose> kept = first.acquire();
    REQUIRE(kept);
    CHECK(first.acquire().status() == Errc::kAlreadyPinned);
    kept = last.acquire();
    REQUIRE(kept);
    CHECK(kept->x == 2);
    CHECK(first.acquire());
    CHECK(last.acquire().status() == Errc::kAlreadyPinned);
    Pinned<Pose>& same = kept;
    kept = std::move(same);
    CHECK(kept);
    kept = first.acquire();
    CHECK(kept->x == 1);
    CHECK(last.acquire());
}

TEST_CASE("pinning twice is an error and leaves the first message pinned") {
    Pair pair;
    Producer<Bytes> producer = pair.first.producer();
    Consumer<Bytes> consumer = pair.second.consumer(kFirst);
    REQUIRE(producer.publish(as_bytes("one")) == Errc::kOk);
    Pinned<Bytes> first = consumer.acquire();
    REQUIRE(producer.publish(as_bytes("two")) == Errc::kOk);
    const Pinned<Bytes> second = consumer.acquire();
    CHECK_FALSE(second);
    CHECK(second.status() == Errc::kAlreadyPinned);
    CHECK(as_text(first.bytes()) == "one");
    Pinned<Bytes> moved = std::move(first);
    CHECK_FALSE(first);
    CHECK(as_text(moved.bytes()) == "one");
    CHECK(moved.release() == Errc::kOk);
    CHECK(as_text(consumer.acquire().bytes()) == "two");
}

TEST_CASE("there is one producer of a channel, and one consumer for each other worker") {
    Pair pair(3);
    std::optional<Producer<Bytes>> producer = pair.first.producer();
    Caught caught = catch_error([&] { return pair.first.producer(); });
    CHECK(caught.code == Errc::kHandleTaken);
    CHECK(caught.tells({"worker 0"}));
    producer.reset();
    CHECK(catch_error([&] { return pair.first.producer(); }).code == Errc::kOk);

    std::optional<Consumer<Bytes>> consumer = pair.first.consumer(kSecond);
    caught = catch_error([&] { return pair.first.consumer(kSecond); });
    CHECK(caught.code == Errc::kHandleTaken);
    CHECK(caught.tells({"channel 1"}));
    CHECK(catch_error([&] { return pair.first.consumer(WorkerIndex{2}); }).code == Errc::kOk);
    // A handle that was moved is one handle.
    Consumer<Bytes> moved = std::move(*consumer);
    consumer.reset();
    CHECK(catch_error([&] { return pair.first.consumer(kSecond); }).code == Errc::kHandleTaken);
    moved = pair.first.consumer(WorkerIndex{2});
    CHECK(catch_error([&] { return pair.first.consumer(kSecond); }).code == Errc::kOk);
}

TEST_CASE("a worker cannot read its own channel, nor one beyond the group") {
    Pair pair;
    for (const std::uint32_t index : {0U, 2U, 1024U, 0xffff'ffffU}) {
        const Caught caught = catch_error([&] { return pair.first.consumer(WorkerIndex{index}); });
        CHECK(caught.code == Errc::kInvalidIndex);
        CHECK_MESSAGE(caught.tells({std::to_string(index), "0 to 1"}), caught.text);
    }
    const std::array<WorkerIndex, 1> self{kFirst};
    CHECK(pair.first.wait_newer(self) == Errc::kInvalidIndex);
    const std::array<WorkerIndex, 1> beyond{WorkerIndex{2}};
    CHECK(pair.first.wait_newer(beyond) == Errc::kInvalidIndex);
}

TEST_CASE("a consumer cannot write into a message, nor into the header") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    Consumer<Pose> consumer = pair.second.consumer<Pose>(kFirst);
    REQUIRE(producer.publish({1, 2, 3}) == Errc::kOk);
    // In a process that has attached itself: a fork would inherit nothing.
    Child child([&](Child::Line&) {
        const GroupGuard other(2);
        Worker first = Worker::attach(other.config, kFirst);
        Worker second = Worker::attach(other.config, kSecond);
        Producer<Pose> sender = first.producer<Pose>();
        Consumer<Pose> receiver = second.consumer<Pose>(kFirst);
        static_cast<void>(sender.publish({1, 2, 3}));
        const Pinned<Pose> pose = receiver.acquire();
        const Pose* const address = &*pose;
        for (const std::string& file : other.left()) {
            ::unlink(file.c_str());
        }
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): a stray write, as tested here
        const_cast<Pose*>(address)->count = 9;
        return 0;
    });
    const Child::End end = child.wait();
    // AddressSanitizer tells of the signal by an exit of its own.
    CHECK((end.signal == SIGSEGV || end.errors.find("SEGV") != std::string::npos));
    CHECK(consumer.acquire()->count == 3);
}

TEST_CASE("each of several workers reads each of the others") {
    const GroupGuard guard(5);
    std::vector<Worker> workers;
    for (std::uint32_t i = 0; i < 5; ++i) {
        workers.push_back(Worker::attach(guard.config, WorkerIndex{i}));
        CHECK(workers.back().index() == WorkerIndex{i});
        CHECK(workers.back().workers() == 5);
        CHECK(workers.back().group() == guard.config.name);
        CHECK(workers.back().producer().publish(as_bytes(std::to_string(i))) == Errc::kOk);
    }
    for (std::uint32_t i = 0; i < 5; ++i) {
        for (std::uint32_t j = 0; j < 5; ++j) {
            if (i != j) {
                CHECK(as_text(workers[i].consumer(WorkerIndex{j}).acquire().bytes()) ==
                      std::to_string(j));
            }
        }
    }
}
