// Workloads with several consumers.
#pragma once

#include "workloads_pair.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::bench {

/// A consumer of publish_pinned(): holds one message, and sleeps until all is over.
template <class Peer>
void hold_one(typename Peer::Place& place, Board& board, std::uint32_t index) {
    typename Peer::Member member(place, index);
    typename Peer::Reader reader(member, 0);
    board.arrived.fetch_add(1, std::memory_order_acq_rel);
    futex_wait(board.turns[index], 0);
    // In peers that connect in the background the first message comes a little later.
    while (!reader.read([&](const std::byte*, std::size_t) {
        board.pinned.fetch_add(1, std::memory_order_acq_rel);
        futex_wake_all(board.pinned);
        futex_wait(board.stop, 0);
    })) {
        sched_yield();
    }
}

/// Publishes while each of R consumers, processes that sleep, holds a different old message.
template <class Peer>
Measured publish_pinned(Context& context, const Setting& setting, const std::string& workload) {
    const PlaceConfig config{context.next_name(), setting, false, true, true};
    if (std::string reason = Peer::cannot(config); !reason.empty()) {
        return impossible(std::move(reason));
    }
    const SharedBoard board;
    typename Peer::Place place(config);
    const auto publish_all = [&] {
        typename Peer::Member member(place, 0);
        typename Peer::Writer writer(member);
        meet(*board, setting.consumers + 1);
        std::uint64_t sequence = 0;
        const auto publish = [&] {
            ++sequence;
            writer.publish(
                [&](std::byte* at) { write_whole<Peer::kFixed>(at, setting.bytes, sequence); });
        };
        for (std::uint32_t index = 1; index <= setting.consumers; ++index) {
            publish();
            board->turns[index].store(1, std::memory_order_release);
            futex_wake_all(board->turns[index]);
            if constexpr (Peer::kAsynchronous) {
                while (board->pinned.load(std::memory_order_acquire) < index) {
                    publish();
                    sched_yield();
                }
            }
            futex_wait(board->pinned, index - 1);
        }
        publish();
        keep_samples(*board, 0, time_batches(context.budget, publish));
        board->stop.store(1, std::memory_order_release);
        futex_wake_all(board->stop);
    };
    std::vector<Job> jobs{{context.first_core, publish_all}};
    for (std::uint32_t index = 1; index <= setting.consumers; ++index) {
        jobs.push_back(
            {kAnyCore, [&place, &board, index] { hold_one<Peer>(place, *board, index); }});
    }
    Measured result;
    result.failure = run_jobs(context.signals, *board, jobs, context.patience);
    if (result.failure.empty()) {
        result.metrics.push_back({workload, "ns", kept_samples(*board, 0)});
    }
    return result;
}

/// Two consumers on two cores acquire and release the same message again and again. The samples are
/// those of the slower one.
template <class Peer>
Measured again_two(Context& context, const Setting& setting, const std::string& workload) {
    if (context.second_core == kAnyCore) {
        return impossible("there is only one core");
    }
    const PlaceConfig config{context.next_name(), setting, false, false, false};
    if (std::string reason = Peer::cannot(config); !reason.empty()) {
        return impossible(std::move(reason));
    }
    const SharedBoard board;
    typename Peer::Place place(config);
    const auto write_once = [&] {
        typename Peer::Member member(place, 0);
        typename Peer::Writer writer(member);
        greet(writer, *board, setting, 2);
        futex_wait(board->stop, 0);
    };
    const auto read = [&](std::uint32_t index) {
        typename Peer::Member member(place, index);
        typename Peer::Reader reader(member, 0);
        await_greeting(reader, *board);
        meet(*board, 2);
        keep_samples(*board, index - 1, time_batches(context.budget, [&] {
            reader.read(
                [](const std::byte* at, std::size_t bytes) { keep(get_word(at + bytes - kWord)); });
        }));
        board->stop.store(1, std::memory_order_release);
        futex_wake_all(board->stop);
    };
    Measured result;
    result.ping_pong_ns = probe(context);
    result.failure = run_jobs(context.signals, *board,
                              {{kAnyCore, write_once},
                               {context.first_core, [&] { read(1); }},
                               {context.second_core, [&] { read(2); }}},
                              context.patience);
    if (result.failure.empty()) {
        std::vector<double> first = kept_samples(*board, 0);
        std::vector<double> second = kept_samples(*board, 1);
        const bool slower = percentile(first, 0.5) < percentile(second, 0.5);
        result.metrics.push_back({workload, "ns", slower ? second : first});
    }
    return result;
}

}  // namespace shmipc::bench
