// shmipc-bench-micro: the operations of one thread, under Google Benchmark: for the work on one of
// them, where its --benchmark_filter, repetitions and comparison of two runs are of use. What is
// compared with other designs and judged is in shmipc-bench.
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <unistd.h>

namespace {

struct Message {
    std::array<std::uint64_t, 8> words;
};

}  // namespace

template <>
struct shmipc::PayloadName<Message> {
    static constexpr std::string_view kName = "shmipc.bench.micro";
};

namespace {

using namespace shmipc;

/// A group of two, both in this process; gone with it.
class Pair {
  public:
    explicit Pair(TimeSource stamp)
        : config_{.name = "bench-micro-" + std::to_string(getpid()), .workers = 2, .capacity = 64},
          writing_(attach(config_, 0, stamp)),
          reading_(attach(config_, 1, stamp)),
          producer(writing_.producer<Message>()),
          consumer(reading_.consumer<Message>(WorkerIndex{0})) {
        producer.publish(Message{});
    }
    [[nodiscard]] const std::string& group() const noexcept { return config_.name; }

  private:
    static Worker attach(const GroupConfig& config, std::uint32_t index, TimeSource stamp) {
        AttachOptions options;
        options.time_source = stamp;
        return Worker::attach(config, WorkerIndex{index}, options);
    }
    GroupConfig config_;
    Worker writing_;
    Worker reading_;

  public:
    Producer<Message> producer;
    Consumer<Message> consumer;
};

/// The pair must have let go of its identities before its group is removed.
template <class Body>
void with_pair(TimeSource stamp, Body&& body) {
    std::string group;
    {
        Pair pair(stamp);
        group = pair.group();
        body(pair);
    }
    Group::remove(group);
}

void publish(benchmark::State& state, TimeSource stamp) {
    with_pair(stamp, [&](Pair& pair) {
        Message message{};
        for (auto _ : state) {
            ++message.words[0];
            benchmark::DoNotOptimize(pair.producer.publish(message));
        }
    });
}

void loan_and_publish(benchmark::State& state) {
    with_pair(TimeSource::kNone, [&](Pair& pair) {
        std::uint64_t sequence = 0;
        for (auto _ : state) {
            auto loan = pair.producer.loan();
            loan->words[0] = ++sequence;
            benchmark::DoNotOptimize(loan.publish());
        }
    });
}

void cycle(benchmark::State& state) {
    with_pair(TimeSource::kNone, [&](Pair& pair) {
        Message message{};
        for (auto _ : state) {
            ++message.words[0];
            pair.producer.publish(message);
            const auto pinned = pair.consumer.acquire();
            benchmark::DoNotOptimize(pinned->words[0]);
        }
    });
}

void again(benchmark::State& state) {
    with_pair(TimeSource::kNone, [&](Pair& pair) {
        for (auto _ : state) {
            const auto pinned = pair.consumer.acquire();
            benchmark::DoNotOptimize(pinned->words[0]);
        }
    });
}

void newer(benchmark::State& state) {
    with_pair(TimeSource::kNone, [&](Pair& pair) {
        const auto pinned = pair.consumer.acquire();
        for (auto _ : state) {
            benchmark::DoNotOptimize(pair.consumer.has_newer());
        }
    });
}

void observe(benchmark::State& state) {
    with_pair(TimeSource::kNone, [&](Pair& pair) {
        Observer observer = Observer::open(pair.group());
        Observer::Message message;
        for (auto _ : state) {
            benchmark::DoNotOptimize(observer.read(WorkerIndex{0}, message));
        }
    });
}

BENCHMARK_CAPTURE(publish, no_stamp, TimeSource::kNone);
BENCHMARK_CAPTURE(publish, coarse_stamp, TimeSource::kCoarse);
BENCHMARK_CAPTURE(publish, precise_stamp, TimeSource::kPrecise);
BENCHMARK(loan_and_publish);
BENCHMARK(cycle);
BENCHMARK(again);
BENCHMARK(newer);
BENCHMARK(observe);

}  // namespace

BENCHMARK_MAIN();
