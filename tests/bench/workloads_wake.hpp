// Waking a consumer that sleeps.
#pragma once

#include "workloads_pair.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::bench {

/// Waits until the kernel has put the process to sleep. Yields meanwhile: that it has is told by
/// nobody but its state in /proc.
void wait_until_asleep(std::uint32_t pid);

/// From the moment before the producer publishes to the moment in which the consumer, which slept
/// in the kernel, has the message.
template <class Peer>
Measured wake(Context& context, const Setting& setting, const std::string& workload) {
    if constexpr (!Peer::kSleeps) {
        return impossible("a consumer of it cannot sleep");
    } else {
        const std::uint64_t count = static_cast<std::uint64_t>(context.budget.count()) * 5;
        const auto write = [&](typename Peer::Place& place, Board& board) {
            typename Peer::Member member(place, 0);
            typename Peer::Writer writer(member);
            meet(board, 2);
            greet(writer, board, setting, 1);
            std::uint64_t stamp = 0;
            const auto publish = [&] {
                writer.publish(
                    [&](std::byte* at) { write_whole<Peer::kFixed>(at, setting.bytes, stamp); });
            };
            // The last round waits for the reader to have seen the last message.
            for (std::uint64_t i = 0; i <= count; ++i) {
                std::uint32_t sleeper = 0;
                // (7) acq_rel, pairs with (8).
                while ((sleeper = board.asleep.exchange(0, std::memory_order_acq_rel)) == 0) {
                    sched_yield();
                    if constexpr (Peer::kAsynchronous) {
                        // ZeroMQ loses a message that it hands over while the reader looks.
                        if (ticks_before() - stamp > ticks_of(std::chrono::milliseconds{20})) {
                            publish();
                        }
                    }
                }
                if (i < count) {
                    wait_until_asleep(sleeper);
                    stamp = ticks_before();
                    publish();
                }
            }
        };
        const auto read = [&](typename Peer::Place& place, Board& board) {
            typename Peer::Member member(place, 1);
            typename Peer::Reader reader(member, 0);
            meet(board, 2);
            await_greeting(reader, board);
            std::vector<double> samples;
            std::uint64_t last = 0;
            bool told = false;
            while (samples.size() < count) {
                if (!reader.newer()) {
                    if (!std::exchange(told, true)) {
                        board.asleep.store(static_cast<std::uint32_t>(getpid()),
                                           std::memory_order_release);  // (8)
                    }
                    reader.wait();
                }
                std::uint64_t stamp = 0;
                std::uint64_t now = 0;
                reader.read([&](const std::byte* at, std::size_t bytes) {
                    stamp = get_word(at + bytes - kWord);
                    now = ticks_after();
                });
                if (stamp > last) {
                    samples.push_back(static_cast<double>(static_cast<std::int64_t>(now - stamp)) *
                                      tick_ns());
                    last = stamp;
                    told = false;
                }
            }
            board.asleep.store(static_cast<std::uint32_t>(getpid()), std::memory_order_release);
            keep_samples(board, 0, samples);
        };
        return measure_pair<Peer>(
            context, {context.next_name(), setting, false, false, false}, write, read,
            [&](Measured& result, const Board& board) {
                result.metrics.push_back({workload, "ns", kept_samples(board, 0)});
            });
    }
}

}  // namespace shmipc::bench
