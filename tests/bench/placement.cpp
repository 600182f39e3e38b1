#include "placement.hpp"

#include "clock.hpp"
#include "statistics.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>

#include <sched.h>
#include <unistd.h>

namespace shmipc::bench {

namespace {

constexpr std::uint64_t kBatches = 16;
constexpr std::uint64_t kTrips = 500;

/// Writes odd numbers, waits for even ones.
void serve(Board& board) {
    meet(board, 2);
    std::vector<double> batches;
    std::uint64_t value = 0;
    for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
        const std::uint64_t begin = ticks_before();
        for (std::uint64_t trip = 0; trip < kTrips; ++trip) {
            // (1) release, pairs with (2) in the other process; acquire, pairs with its (3).
            board.line.store(++value, std::memory_order_release);
            ++value;
            while (board.line.load(std::memory_order_acquire) != value) {
            }
        }
        const std::uint64_t took = ticks_after() - begin;
        batches.push_back(static_cast<double>(took) * tick_ns() / static_cast<double>(kTrips));
    }
    keep_samples(board, 0, batches);
}

void return_all(Board& board) {
    meet(board, 2);
    for (std::uint64_t value = 0; value < 2 * kBatches * kTrips;) {
        ++value;
        while (board.line.load(std::memory_order_acquire) != value) {  // (2)
        }
        board.line.store(++value, std::memory_order_release);  // (3)
    }
}

}  // namespace

std::string Context::next_name() {
    return "bench-" + std::to_string(getpid()) + "-" + std::to_string(places++);
}

std::vector<int> allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    os::require("sched_getaffinity", [&] { return sched_getaffinity(0, sizeof set, &set); });
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(static_cast<std::size_t>(core), &set)) {
            cores.push_back(core);
        }
    }
    return cores;
}

std::optional<std::pair<int, int>> parse_cores(const std::string& text) {
    std::pair<int, int> cores;
    const char* const end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, cores.first);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ',') {
        return std::nullopt;
    }
    const auto second = std::from_chars(first.ptr + 1, end, cores.second);
    const std::vector<int> allowed = allowed_cores();
    if (second.ec != std::errc{} || second.ptr != end || cores.first == cores.second ||
        !std::ranges::binary_search(allowed, cores.first) ||
        !std::ranges::binary_search(allowed, cores.second)) {
        return std::nullopt;
    }
    return cores;
}

double ping_pong(const Context& context) {
    const SharedBoard board;
    const std::string failure = run_jobs(context.signals, *board,
                                         {{context.first_core, [&] { serve(*board); }},
                                          {context.second_core, [&] { return_all(*board); }}},
                                         context.patience);
    if (!failure.empty()) {
        throw std::runtime_error("ping-pong between two cores: " + failure);
    }
    std::vector<double> batches = kept_samples(*board, 0);
    return percentile(batches, 0.5);
}

double probe(Context& context) {
    constexpr int kTries = 4;
    double ns = 0;
    for (int i = 0; i < kTries; ++i) {
        ns = ping_pong(context);
        if (context.best_ping_pong_ns == 0 || ns < context.best_ping_pong_ns) {
            context.best_ping_pong_ns = ns;
        }
        if (is_near(ns, context.best_ping_pong_ns)) {
            break;
        }
    }
    return ns;
}

}  // namespace shmipc::bench
