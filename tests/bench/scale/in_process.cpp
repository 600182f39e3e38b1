#include "in_process.hpp"

#include <shmipc/worker.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <system_error>

namespace shmipc::bench {
namespace {

/// Enough to go round all slots of the largest group more than once.
constexpr int kBatch = 2000;

class Removal {
  public:
    explicit Removal(std::string group) : group_(std::move(group)) {}
    ~Removal() {
        std::error_code ignored;
        Group::remove(group_, ignored);
    }
    Removal(const Removal&) = delete;
    Removal& operator=(const Removal&) = delete;

  private:
    std::string group_;
};

void require(Errc outcome) {
    if (outcome != Errc::kOk) {
        throw Error(outcome, "a message: " + make_error_code(outcome).message());
    }
}

/// Nanoseconds of one call, as the median over batches.
template <class Step>
double nanoseconds_of(int batches, Step&& step) {
    std::vector<double> times;
    for (int i = 0; i <= batches; ++i) {
        const auto start = Clock::now();
        for (int k = 0; k < kBatch; ++k) {
            step();
        }
        if (i > 0) {  // the first one meets cold caches
            times.push_back(count<std::chrono::nanoseconds>(Clock::now() - start) / kBatch);
        }
    }
    return median(std::move(times));
}

double create(const GroupConfig& config, int times) {
    std::vector<double> taken;
    for (int i = 0; i < times; ++i) {
        const Removal removal(config.name);
        const auto start = Clock::now();
        const Group group = Group::create_or_open(config);
        taken.push_back(milliseconds_since(start));
        if (!group.created()) {
            throw std::runtime_error("group " + config.name + " was there before");
        }
    }
    return median(std::move(taken));
}

double attach(const GroupConfig& config, int times) {
    std::vector<double> taken;
    for (int i = 0; i < times; ++i) {
        const auto start = Clock::now();
        const Worker worker = Worker::attach(config, WorkerIndex{0});
        taken.push_back(milliseconds_since(start));
    }
    return median(std::move(taken));
}

}  // namespace

InProcess measure_in_process(const std::string& group, const Point& point, bool quick) {
    const GroupConfig config = point.config(group);
    const int times = quick || point.workers > 64 ? 3 : 9;
    const int batches = quick ? 11 : 51;
    InProcess result;
    result.create_ms = create(config, times);
    const Removal removal(group);
    const Group whole = Group::create_or_open(config);
    result.attach_ms = attach(config, times);

    Worker writer = Worker::attach(config, WorkerIndex{0});
    Worker reader = Worker::attach(config, WorkerIndex{1});
    Producer<> producer = writer.producer();
    Consumer<> consumer = reader.consumer(WorkerIndex{0});
    const std::vector<std::byte> message(point.bytes, std::byte{0x5a});
    const auto publish = [&] { require(producer.publish(message)); };
    result.publish_ns = nanoseconds_of(batches, publish);
    const double both = nanoseconds_of(batches, [&] {
        publish();
        auto pinned = consumer.acquire();
        require(pinned.status());
        require(pinned.release());
    });
    // Only a message that is new costs anything, and only a publish makes one. The two are measured
    // one after the other: on a machine that is busy in between it may be no figure at all.
    result.acquire_ns = both - result.publish_ns;
    return result;
}

}  // namespace shmipc::bench
