// Workloads of two processes on two cores.
#pragma once

#include "batches.hpp"
#include "context.hpp"
#include "payload.hpp"
#include "peers/peer.hpp"
#include "placement.hpp"
#include "statistics.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>
#include <unistd.h>

namespace shmipc::bench {

/// Publishes a message of zeros until all readers have seen one: connections are made by then, in
/// peers that connect in the background.
template <class Writer>
void greet(Writer& writer, Board& board, const Setting& setting, std::uint32_t readers) {
    // (1) acquire, pairs with (2).
    while (board.ready.load(std::memory_order_acquire) < readers) {
        writer.publish([&](std::byte* at) { write_whole<0>(at, setting.bytes, 0); });
        sched_yield();
    }
}
template <class Reader>
void await_greeting(Reader& reader, Board& board) {
    while (!reader.read([](const std::byte*, std::size_t) {})) {
        sched_yield();
    }
    board.ready.fetch_add(1, std::memory_order_acq_rel);  // (2)
}

/// Makes the place, probes the cores, runs `write(place, board)` on the first and `read` on the
/// second, and leaves what they left on the board to `evaluate(result, board)`.
template <class Peer>
Measured measure_pair(Context& context, const PlaceConfig& config,
                      const std::function<void(typename Peer::Place&, Board&)>& write,
                      const std::function<void(typename Peer::Place&, Board&)>& read,
                      const std::function<void(Measured&, const Board&)>& evaluate) {
    if (context.second_core == kAnyCore) {
        return impossible("there is only one core");
    }
    if (std::string reason = Peer::cannot(config); !reason.empty()) {
        return impossible(std::move(reason));
    }
    const SharedBoard board;
    typename Peer::Place place(config);
    Measured result;
    result.ping_pong_ns = probe(context);
    result.failure = run_jobs(context.signals, *board,
                              {{context.first_core, [&] { write(place, *board); }},
                               {context.second_core, [&] { read(place, *board); }}},
                              context.patience);
    if (result.failure.empty()) {
        evaluate(result, *board);
    }
    return result;
}

/// Producer side of one_way(): a message when the last one has been seen, and the reader has had
/// the time to go on looking for the next.
template <class Peer>
[[gnu::flatten]] void write_stamped(typename Peer::Place& place, Board& board,
                                    const Setting& setting, std::uint64_t count) {
    typename Peer::Member member(place, 0);
    typename Peer::Writer writer(member);
    meet(board, 2);
    greet(writer, board, setting, 1);
    const std::uint64_t shortest_pause = ticks_of(std::chrono::nanoseconds{400});
    for (std::uint64_t i = 1; i <= count; ++i) {
        // Not in step with anything: 400 to 900 ns.
        const std::uint64_t pause = shortest_pause + shortest_pause * (i * 7 % 16) / 13;
        for (const std::uint64_t begin = ticks_before(); ticks_before() - begin < pause;) {
        }
        const std::uint64_t stamp = ticks_before();
        writer.publish([&](std::byte* at) { write_whole<Peer::kFixed>(at, setting.bytes, stamp); });
        // (3) acquire, pairs with (4).
        while (board.acknowledged.load(std::memory_order_acquire) < i) {
        }
    }
}

template <class Peer>
[[gnu::flatten]] void read_stamped(typename Peer::Place& place, Board& board,
                                   const Setting& setting, std::uint64_t count,
                                   std::uint64_t warm_up) {
    typename Peer::Member member(place, 1);
    typename Peer::Reader reader(member, 0);
    meet(board, 2);
    await_greeting(reader, board);
    std::vector<double> samples;
    samples.reserve(count);
    std::uint64_t last = 0;
    for (std::uint64_t got = 0; got < count;) {
        if (!reader.newer()) {
            continue;
        }
        std::uint64_t stamp = 0;
        std::uint64_t now = 0;
        reader.read([&](const std::byte* at, std::size_t) {
            const std::size_t bytes = known_size<Peer::kFixed>(setting.bytes);
            stamp = get_word(at + bytes - kWord);
            keep(get_word(at) + get_word(at + middle_of(bytes)));
            now = ticks_after();
        });
        if (stamp <= last) {
            continue;  // a greeting
        }
        last = stamp;
        if (++got > warm_up) {
            samples.push_back(static_cast<double>(static_cast<std::int64_t>(now - stamp)) *
                              tick_ns());
        }
        board.acknowledged.store(got, std::memory_order_release);  // (4)
    }
    keep_samples(board, 0, samples);
}

/// Echoes messages: waits for `sequence` on one channel, then publishes it on the other.
template <class Peer>
Measured round_trip(Context& context, const Setting& setting, const std::string& workload) {
    constexpr std::uint64_t kBatch = 100;
    const std::uint64_t batches =
        setting.bytes > kWhole ? 20 : static_cast<std::uint64_t>(context.budget.count()) * 2;
    const auto wait_for = [](typename Peer::Reader& reader, std::uint64_t sequence) {
        std::uint64_t seen = 0;
        while (seen != sequence) {
            if (reader.newer()) {
                reader.read([&seen](const std::byte* at, std::size_t) { seen = get_word(at); });
            }
        }
    };
    const auto say = [&setting](typename Peer::Writer& writer, std::uint64_t sequence) {
        writer.publish(
            [&](std::byte* at) { write_whole<Peer::kFixed>(at, setting.bytes, sequence); });
    };
    const auto ask = [&](typename Peer::Place& place, Board& board) {
        typename Peer::Member member(place, 0);
        typename Peer::Writer writer(member);
        typename Peer::Reader reader(member, 1);
        meet(board, 2);
        greet(writer, board, setting, 1);
        await_greeting(reader, board);
        std::vector<double> samples;
        std::uint64_t sequence = 0;
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            const std::uint64_t took = time_batch(kBatch, [&] {
                say(writer, ++sequence);
                wait_for(reader, sequence);
            });
            samples.push_back(static_cast<double>(took) * tick_ns() / static_cast<double>(kBatch));
        }
        keep_samples(board, 0, samples);
    };
    const auto answer = [&](typename Peer::Place& place, Board& board) {
        typename Peer::Member member(place, 1);
        typename Peer::Writer writer(member);
        typename Peer::Reader reader(member, 0);
        meet(board, 2);
        await_greeting(reader, board);
        greet(writer, board, setting, 2);
        for (std::uint64_t sequence = 1; sequence <= batches * kBatch; ++sequence) {
            wait_for(reader, sequence);
            say(writer, sequence);
        }
    };
    return measure_pair<Peer>(
        context, {context.next_name(), setting, true, false, false}, ask, answer,
        [&](Measured& result, const Board& board) {
            result.metrics.push_back({workload, "ns", kept_samples(board, 0)});
        });
}

/// From the moment before the producer writes the first byte to the moment in which the consumer,
/// which polls, has the first, the middle and the last word.
template <class Peer>
Measured one_way(Context& context, const Setting& setting, const std::string& workload) {
    if (!shared_between_cores()) {
        Measured result = round_trip<Peer>(context, setting, workload);
        for (Metric& metric : result.metrics) {
            for (double& sample : metric.samples) {
                sample /= 2;
            }
        }
        result.note = "half a round trip, by the batch: the counters of the cores are not the same";
        return result;
    }
    constexpr std::uint64_t kMegabyte = 1U << 20U;
    const auto ms = static_cast<std::uint64_t>(context.budget.count());
    const std::uint64_t count = std::clamp<std::uint64_t>(
        ms * 400 * 4096 / std::max<std::uint64_t>(setting.bytes, 4096), 20, kMaxSamples);
    const std::uint64_t warm_up = setting.bytes >= kMegabyte ? 4 : count / 10;
    return measure_pair<Peer>(
        context, {context.next_name(), setting, false, false, false},
        [&](typename Peer::Place& place, Board& board) {
            write_stamped<Peer>(place, board, setting, count);
        },
        [&](typename Peer::Place& place, Board& board) {
            read_stamped<Peer>(place, board, setting, count, warm_up);
        },
        [&](Measured& result, const Board& board) {
            result.metrics.push_back({workload, "ns", kept_samples(board, 0)});
        });
}

}  // namespace shmipc::bench
