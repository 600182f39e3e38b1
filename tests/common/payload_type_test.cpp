// A channel carries one type of payload, by name and size, and nobody takes it for another.
#include "group_guard.hpp"
#include "segment.hpp"
#include <shmipc/protocol/words.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <array>
#include <span>
#include <string>
#include <string_view>

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::GroupGuard;

namespace {

struct Pose {
    double x;
    double y;
    std::uint32_t count;
};
struct SameSize {
    std::array<std::byte, sizeof(Pose)> bytes;
};
struct Large {
    std::array<std::uint64_t, 100> words;
};

}  // namespace

template <>
struct shmipc::PayloadName<Pose> {
    static constexpr std::string_view kName = "test.Pose";
};
template <>
struct shmipc::PayloadName<SameSize> {
    static constexpr std::string_view kName = "test.SameSize";
};
template <>
struct shmipc::PayloadName<Large> {
    // The longest that there can be.
    static constexpr std::string_view kName =
        "test.Large.0123456789012345678901234567890123456789.end";
};
template <>
struct shmipc::PayloadName<std::uint64_t> {
    static constexpr std::string_view kName = "test.Pose";  // another size under the same name
};

namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
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

TEST_CASE(
    "a producer on whose channel somebody has scribbled finds no last message, or a short one") {
    const GroupGuard guard(2, 64);
    Worker worker = Worker::attach(guard.config, WorkerIndex{0});
    Producer<Bytes> producer = worker.producer();
    const auto text = std::as_bytes(std::span("text"));
    REQUIRE(producer.publish(text) == Errc::kOk);
    const detail::Mapping mapping(
        detail::Segment::open(guard.config.name, WorkerIndex{0}, detail::Access::kTakePart),
        detail::Role::kProducer);
    const protocol::Channel channel = mapping.channel();
    const std::uint64_t current = channel.current().load();
    for (const std::uint64_t scribbled :
         {std::uint64_t{0}, ~std::uint64_t{0}, current & ~0xffffU}) {
        channel.current().store(scribbled);
        CHECK(producer.last().empty());
    }
    channel.current().store(current);
    channel.header(protocol::Current{current}.slot()).origin.store(~std::uint64_t{0});
    CHECK(producer.last().size() == 64);
}

TEST_CASE("another payload type than the channel's is refused when it is asked for") {
    Pair pair;
    { const Producer<Pose> producer = pair.first.producer<Pose>(); }
    const std::string found = "'test.Pose' of 24 bytes";
    Caught caught = catch_error([&] { return pair.second.consumer<SameSize>(kFirst); });
    CHECK(caught.code == Errc::kPayloadMismatch);
    CHECK_MESSAGE(caught.tells({found, "'test.SameSize' of 24 bytes"}), caught.text);
    caught = catch_error([&] { return pair.second.consumer<std::uint64_t>(kFirst); });
    CHECK(caught.code == Errc::kPayloadMismatch);
    CHECK_MESSAGE(caught.tells({found, "'test.Pose' of 8 bytes"}), caught.text);
    caught = catch_error([&] { return pair.first.producer<SameSize>(); });
    CHECK(caught.code == Errc::kPayloadMismatch);
    CHECK_MESSAGE(caught.tells({found, "'test.SameSize' of 24 bytes"}), caught.text);
    CHECK(catch_error([&] { return pair.first.producer(); }).code == Errc::kPayloadMismatch);
    // The failed attempts have taken no handle.
    CHECK(catch_error([&] { return pair.first.producer<Pose>(); }).code == Errc::kOk);
    CHECK(catch_error([&] { return pair.second.consumer<Pose>(kFirst); }).code == Errc::kOk);
}

TEST_CASE("another payload type is refused at the first acquire where the producer came later") {
    Pair pair;
    Consumer<SameSize> consumer = pair.second.consumer<SameSize>(kFirst);
    CHECK(consumer.acquire().status() == Errc::kEmpty);
    Producer<Pose> producer = pair.first.producer<Pose>();
    CHECK(consumer.acquire().status() == Errc::kPayloadMismatch);
    REQUIRE(producer.publish({1, 2, 3}) == Errc::kOk);
    CHECK(consumer.acquire().status() == Errc::kPayloadMismatch);
}

TEST_CASE("raw bytes are read from a channel of any type, but a type not from raw bytes") {
    Pair pair;
    Producer<Pose> typed = pair.first.producer<Pose>();
    Consumer<Bytes> raw = pair.second.consumer(kFirst);
    REQUIRE(typed.publish({1, 2, 3}) == Errc::kOk);
    CHECK(raw.acquire().bytes().size() == sizeof(Pose));
    Producer<Bytes> bytes = pair.second.producer();
    REQUIRE(bytes.publish(as_bytes("text")) == Errc::kOk);
    CHECK(catch_error([&] { return pair.first.consumer<Pose>(kSecond); }).code ==
          Errc::kPayloadMismatch);
}

TEST_CASE("the payload type survives its producer") {
    const GroupGuard guard(2, 1000);
    static_cast<void>(Worker::attach(guard.config, kFirst).producer<Large>());
    Worker again = Worker::attach(guard.config, kFirst);
    CHECK(catch_error([&] { return again.producer<Pose>(); }).code == Errc::kPayloadMismatch);
    CHECK(catch_error([&] { return again.producer<Large>(); }).code == Errc::kOk);
}

TEST_CASE("a type that is longer than the capacity has no producer") {
    Pair pair(2, 64);
    const Caught caught = catch_error([&] { return pair.first.producer<Large>(); });
    CHECK(caught.code == Errc::kInvalidGeometry);
    CHECK_MESSAGE(caught.tells({"800 bytes", "64 bytes"}), caught.text);
    CHECK(catch_error([&] { return pair.first.producer<Pose>(); }).code == Errc::kOk);
}

TEST_CASE("a message of another length than its type is not handed out") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    Consumer<Pose> consumer = pair.second.consumer<Pose>(kFirst);
    REQUIRE(producer.publish({1, 2, 3}) == Errc::kOk);
    const auto offset = static_cast<off_t>(pair.guard.config.geometry().slots_offset() +
                                           offsetof(layout::SlotHeader, origin));
    const protocol::Origin wrong{1, 8, true};
    REQUIRE(test::write_at(pair.guard.path(0), offset, wrong.raw()));
    CHECK(consumer.acquire().status() == Errc::kCorruptChannel);
    CHECK(consumer.acquire().status() == Errc::kCorruptChannel);  // nor when it is asked for again
    REQUIRE(producer.publish({1, 2, 4}) == Errc::kOk);
    CHECK(consumer.acquire()->count == 4);
}

TEST_CASE("nor is one that was acquired as bytes, and kept, before it was asked for by its type") {
    Pair pair;
    Producer<Pose> producer = pair.first.producer<Pose>();
    REQUIRE(producer.publish({1, 2, 3}) == Errc::kOk);
    const auto offset = static_cast<off_t>(pair.guard.config.geometry().slots_offset() +
                                           offsetof(layout::SlotHeader, origin));
    const protocol::Origin wrong{1, 8, true};
    REQUIRE(test::write_at(pair.guard.path(0), offset, wrong.raw()));
    {
        Consumer<Bytes> bytes = pair.second.consumer<Bytes>(kFirst);
        REQUIRE(bytes.acquire());
    }
    Consumer<Pose> consumer = pair.second.consumer<Pose>(kFirst);
    CHECK(consumer.acquire().status() == Errc::kCorruptChannel);
}
