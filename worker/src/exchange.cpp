#include "exchange.hpp"

#include "base/log.hpp"

#include <chrono>
#include <string>

namespace shmipc::worker {

Exchange::Exchange(Worker& membership, const Options& options, const std::atomic<bool>& stop)
    : membership_(membership),
      options_(options),
      stop_(stop),
      producer_(membership.producer<Counter>()),
      random_(std::random_device{}()) {
    for (std::uint32_t i = 0; i < membership.workers(); ++i) {
        if (WorkerIndex{i} != membership.index()) {
            consumers_.push_back(membership.consumer<Counter>(WorkerIndex{i}));
        }
    }
    producer_.last(last_);
}

void Exchange::run() {
    log::log(log::Level::kInfo, log::Event::kWorkerWaiting, "waiting for other processes");
    // Interrupted only to stop, or for no reason.
    while (!stop_.load(std::memory_order_acquire) && membership_.wait_for_all() != Errc::kOk) {
    }
    if (stop_.load(std::memory_order_acquire)) {
        return;
    }
    // Before the supervisor can say that the group is.
    log::log(log::Level::kInfo, log::Event::kWorkerReady, "ready");
    membership_.ready();
    while (!stop_.load(std::memory_order_acquire)) {
        read_all();
        write_next();
        report_lost_name();
        log::flush(std::chrono::milliseconds{0});
        sleep_at_random();
    }
}

void Exchange::read_all() {
    for (Consumer<Counter>& consumer : consumers_) {
        const auto message = consumer.acquire();
        if (!log::enabled(log::Level::kDebug)) {
            continue;
        }
        const std::uint32_t from = to_number(consumer.producer());
        const std::string head = "read info from " + std::to_string(from) + ": ";
        if (message) {
            log::log(log::Level::kDebug, log::Event::kExchange,
                     head + std::to_string(message->value),
                     {{"SHMIPC_CHANNEL", from}, {"SHMIPC_SEQUENCE", message.sequence()}});
        } else {
            const std::string why = message.status() == Errc::kEmpty
                                        ? "empty"
                                        : make_error_code(message.status()).message();
            log::log(log::Level::kDebug, log::Event::kExchange, head + why,
                     {{"SHMIPC_CHANNEL", from}});
        }
    }
}

void Exchange::write_next() {
    const Counter next{last_.value + 1};
    const Errc outcome = producer_.publish(next);
    if (outcome != Errc::kOk) {
        throw Error(outcome, "cannot publish: " + make_error_code(outcome).message());
    }
    last_ = next;
    if (log::enabled(log::Level::kDebug)) {
        log::log(log::Level::kDebug, log::Event::kExchange, "write " + std::to_string(next.value),
                 {{"SHMIPC_CHANNEL", to_number(membership_.index())},
                  {"SHMIPC_SEQUENCE", producer_.sequence()}});
    }
}

void Exchange::sleep_at_random() {
    std::uniform_int_distribution<std::int64_t> interval(options_.min_interval.count(),
                                                         options_.max_interval.count());
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds{interval(random_)};
    // An interruption ends the sleep early; run() looks whether it was meant to stop us.
    membership_.wait_newer({}, deadline);
}

void Exchange::report_lost_name() {
    if (!membership_.name_lost() || name_reported_) {
        return;
    }
    name_reported_ = true;
    log::log(
        log::Level::kError, log::Event::kObjectNameLost,
        "object '" + object_name(membership_.group(), membership_.index()) +
            "' was removed or replaced while in use: workers that start now will not meet this "
            "one; restart the whole group");
}

}  // namespace shmipc::worker
