#include "primitives.hpp"

#include "batches.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <stdexcept>

namespace shmipc::bench {

namespace {

using Samples = std::vector<double>;
using Nanoseconds = std::chrono::nanoseconds;

struct Primitive {
    std::string name;
    std::function<Samples(Nanoseconds)> measure;
};

/// A word alone on its line.
struct alignas(kLine) Word {
    std::atomic<std::uint64_t> value{0};
};

Samples read_clock(clockid_t clock, Nanoseconds budget) {
    return time_batches(budget, [clock] {
        timespec now{};
        clock_gettime(clock, &now);
        keep(now.tv_nsec);
    });
}

Samples copy(std::size_t bytes, Nanoseconds budget) {
    const std::vector<std::byte> from(bytes, std::byte{1});
    std::vector<std::byte> to(bytes);
    return time_batches(budget, [&] {
        std::memcpy(to.data(), from.data(), bytes);
        keep(to.data());
    });
}

std::vector<Primitive> primitives() {
    const auto word = std::make_shared<Word>();
    // seq_cst, since that is what is measured; nobody else touches the word.
    std::vector<Primitive> result{
        {"load",
         [word](Nanoseconds budget) {
             return time_batches(budget,
                                 [&] { keep(word->value.load(std::memory_order_acquire)); });
         }},
        {"locked_exchange",
         [word](Nanoseconds budget) {
             return time_batches(budget,
                                 [&] { keep(word->value.exchange(1, std::memory_order_seq_cst)); });
         }},
        {"full_fence",
         [](Nanoseconds budget) {
             return time_batches(budget,
                                 [] { std::atomic_thread_fence(std::memory_order_seq_cst); });
         }},
        {"clock_coarse",
         [](Nanoseconds budget) { return read_clock(CLOCK_MONOTONIC_COARSE, budget); }},
        {"clock_precise", [](Nanoseconds budget) { return read_clock(CLOCK_MONOTONIC, budget); }}};
    for (const std::size_t bytes : kMemcpySizes) {
        result.push_back({"memcpy_" + std::to_string(bytes),
                          [bytes](Nanoseconds budget) { return copy(bytes, budget); }});
    }
    return result;
}

}  // namespace

std::map<std::string, Samples> measure_primitives(const Context& context) {
    std::map<std::string, Samples> result;
    for (const Primitive& primitive : primitives()) {
        const SharedBoard board;
        const std::string failure =
            run_jobs(context.signals, *board,
                     {{context.first_core,
                       [&] { keep_samples(*board, 0, primitive.measure(context.budget / 4)); }}},
                     context.patience);
        if (!failure.empty()) {
            throw std::runtime_error(primitive.name + ": " + failure);
        }
        result[primitive.name] = kept_samples(*board, 0);
    }
    return result;
}

}  // namespace shmipc::bench
