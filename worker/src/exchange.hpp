// What the stock worker does while it lives: read all, write one, sleep, until it is told to stop.
#pragma once

#include "options.hpp"
#include <shmipc/worker.hpp>

#include <atomic>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace shmipc::worker {

/// The stock worker's message.
struct Counter {
    std::uint64_t value;  ///< one more than the one before it, across deaths
};

}  // namespace shmipc::worker

template <>
struct shmipc::PayloadName<shmipc::worker::Counter> {
    static constexpr std::string_view kName = "shmipc.counter.v1";
};

namespace shmipc::worker {

class Exchange {
  public:
    /// Takes the producer and all consumers of `membership`, which must outlive it. `stop` may be
    /// set by a signal handler, which then interrupts the membership.
    Exchange(Worker& membership, const Options& options, const std::atomic<bool>& stop);

    /// Waits for all others, says so, and exchanges until `stop`.
    void run();

  private:
    void read_all();
    void write_next();
    void sleep_at_random();
    void report_lost_name();

    Worker& membership_;
    const Options& options_;
    const std::atomic<bool>& stop_;
    Producer<Counter> producer_;
    std::vector<Consumer<Counter>> consumers_;
    Counter last_{0};
    std::mt19937_64 random_;
    bool name_reported_ = false;
};

}  // namespace shmipc::worker
