// Flat out: the producer publishes as fast as it can, the consumer acquires as fast as it can, and
// every message that it sees is checked.
#pragma once

#include "workloads_pair.hpp"

#include <cstdint>
#include <string>

namespace shmipc::bench {

namespace board_values {
inline constexpr std::size_t kPublished = 0;
inline constexpr std::size_t kSeconds = 1;
inline constexpr std::size_t kSeen = 2;
inline constexpr std::size_t kTorn = 3;
inline constexpr std::size_t kReversed = 4;
}  // namespace board_values

template <class Peer>
void write_flat_out(typename Peer::Place& place, Board& board, const Setting& setting,
                    std::chrono::nanoseconds budget) {
    typename Peer::Member member(place, 0);
    typename Peer::Writer writer(member);
    meet(board, 2);
    greet(writer, board, setting, 1);
    // The clock is read now and then only, but often enough for messages of megabytes.
    const std::uint64_t between = setting.bytes > kWhole ? 4 : 256;
    const std::uint64_t begin = ticks_before();
    const std::uint64_t end = begin + ticks_of(budget);
    std::uint64_t sequence = 0;
    while (ticks_before() < end) {
        for (std::uint64_t i = 0; i < between; ++i) {
            ++sequence;
            writer.publish(
                [&](std::byte* at) { write_whole<Peer::kFixed>(at, setting.bytes, sequence); });
        }
    }
    board.values[board_values::kSeconds] =
        static_cast<double>(ticks_after() - begin) * tick_ns() * 1e-9;
    board.values[board_values::kPublished] = static_cast<double>(sequence);
    board.stop.store(1, std::memory_order_release);  // (5) pairs with (6)
}

template <class Peer>
void read_flat_out(typename Peer::Place& place, Board& board, const Setting& setting) {
    typename Peer::Member member(place, 1);
    typename Peer::Reader reader(member, 0);
    meet(board, 2);
    await_greeting(reader, board);
    std::uint64_t last = 0;
    std::uint64_t seen = 0;
    std::uint64_t torn = 0;
    std::uint64_t reversed = 0;
    while (board.stop.load(std::memory_order_acquire) == 0) {  // (6)
        reader.read([&](const std::byte* at, std::size_t) {
            const std::uint64_t sequence = get_word(at);
            if (sequence == last) {
                return;
            }
            torn += is_whole<Peer::kFixed>(at, setting.bytes, sequence) ? 0U : 1U;
            reversed += sequence < last ? 1U : 0U;
            last = sequence;
            ++seen;
        });
    }
    board.values[board_values::kSeen] = static_cast<double>(seen);
    board.values[board_values::kTorn] = static_cast<double>(torn);
    board.values[board_values::kReversed] = static_cast<double>(reversed);
}

template <class Peer>
Measured flat_out(Context& context, const Setting& setting, const std::string& workload) {
    const auto evaluate = [&](Measured& result, const Board& board) {
        const auto per_second = [&](std::size_t value) {
            return board.values[value] / board.values[board_values::kSeconds] * 1e-6;
        };
        result.metrics.push_back(
            {workload + "_published", "M/s", {per_second(board_values::kPublished)}});
        result.metrics.push_back({workload + "_seen", "M/s", {per_second(board_values::kSeen)}});
        result.torn = static_cast<std::uint64_t>(board.values[board_values::kTorn]);
        result.reversed = static_cast<std::uint64_t>(board.values[board_values::kReversed]);
        if (board.values[board_values::kSeen] == 0) {
            result.failure = "the consumer saw nothing";
        }
    };
    return measure_pair<Peer>(
        context, {context.next_name(), setting, false, false, false},
        [&](typename Peer::Place& place, Board& board) {
            write_flat_out<Peer>(place, board, setting, context.budget * 3);
        },
        [&](typename Peer::Place& place, Board& board) {
            read_flat_out<Peer>(place, board, setting);
        },
        evaluate);
}

}  // namespace shmipc::bench
