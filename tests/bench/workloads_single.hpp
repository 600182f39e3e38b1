// Workloads of one thread, which is producer and consumer at once: what the operations cost while
// nobody else touches the memory.
//
// A workload is a template over the peer (peers/peer.hpp), so that its calls are inlined as they
// are in a program that uses it. It runs in a child process, pinned to the first core.
#pragma once

#include "batches.hpp"
#include "context.hpp"
#include "payload.hpp"
#include "peers/peer.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::bench {

/// Writer and reader of one channel in one process, with a first message published, and seen unless
/// the messages are to be unread: what the reader has seen it may keep a claim on.
template <class Peer>
struct Alone {
    Alone(typename Peer::Place& place, const PlaceConfig& config)
        : writing(place, 0), writer(writing), reading(place, 1), reader(reading, 0) {
        do {
            writer.publish([&](std::byte* at) { write_whole<0>(at, config.setting.bytes, 0); });
        } while ((Peer::kConnects || !config.unread) &&
                 !reader.read([](const std::byte*, std::size_t) {}));
    }

    typename Peer::Member writing;
    typename Peer::Writer writer;
    typename Peer::Member reading;
    typename Peer::Reader reader;
    std::uint64_t sequence = 0;

    template <class Write>
    void publish(Write&& write) {
        ++sequence;
        writer.publish([&](std::byte* at) { write(at, sequence); });
    }
    void read() {
        reader.read(
            [](const std::byte* at, std::size_t bytes) { keep(get_word(at + bytes - kWord)); });
    }
};

/// Runs `body(alone, board)` in a child, and gives back its samples under the workload's name.
template <class Peer, class Body>
Measured measure_alone(Context& context, const Setting& setting, bool unread,
                       const std::string& workload, Body&& body) {
    const PlaceConfig config{context.next_name(), setting, false, unread, false};
    if (std::string reason = Peer::cannot(config); !reason.empty()) {
        return impossible(std::move(reason));
    }
    const SharedBoard board;
    typename Peer::Place place(config);
    Measured result;
    result.failure = run_jobs(context.signals, *board,
                              {{context.first_core,
                                [&] {
                                    Alone<Peer> alone(place, config);
                                    keep_samples(*board, 0, body(alone));
                                }}},
                              context.patience);
    if (result.failure.empty()) {
        result.metrics.push_back({workload, "ns", kept_samples(*board, 0)});
    }
    return result;
}

/// Only the first, middle and last word are written: what publishing costs beside the filling.
template <class Peer>
Measured publish(Context& context, const Setting& setting, const std::string& workload) {
    return measure_alone<Peer>(context, setting, true, workload, [&](Alone<Peer>& alone) {
        const std::size_t bytes = known_size<Peer::kFixed>(setting.bytes);
        return time_batches(context.budget, [&] {
            alone.publish([bytes](std::byte* at, std::uint64_t sequence) {
                bytes > kWhole ? write_ends(at, bytes, sequence)
                               : write_whole<Peer::kFixed>(at, bytes, sequence);
            });
        });
    });
}

/// The whole message is written.
template <class Peer>
Measured publish_filled(Context& context, const Setting& setting, const std::string& workload) {
    return measure_alone<Peer>(context, setting, true, workload, [&](Alone<Peer>& alone) {
        return time_batches(context.budget, [&] {
            alone.publish([&setting](std::byte* at, std::uint64_t sequence) {
                write_whole<Peer::kFixed>(at, setting.bytes, sequence);
            });
        });
    });
}

/// Publish, acquire, release.
template <class Peer>
std::vector<double> time_cycles(Alone<Peer>& alone, const Context& context,
                                const Setting& setting) {
    const std::size_t bytes = known_size<Peer::kFixed>(setting.bytes);
    return time_batches(context.budget, [&] {
        alone.publish([bytes](std::byte* at, std::uint64_t sequence) {
            bytes > kWhole ? write_ends(at, bytes, sequence)
                           : write_whole<Peer::kFixed>(at, bytes, sequence);
        });
        if constexpr (Peer::kAsynchronous) {
            while (!alone.reader.newer()) {
            }
        }
        alone.read();
    });
}

template <class Peer>
Measured cycle(Context& context, const Setting& setting, const std::string& workload) {
    return measure_alone<Peer>(context, setting, false, workload, [&](Alone<Peer>& alone) {
        return time_cycles(alone, context, setting);
    });
}

/// Acquire and release of a new message cannot be timed by itself, since it needs a message each
/// time: it is the difference of two batches, [publish, acquire, release] − [publish].
template <class Peer>
Measured acquire_release(Context& context, const Setting& setting, const std::string& workload) {
    if constexpr (Peer::kQueues) {
        return impossible("publishing into a full queue costs something else: no difference");
    }
    return measure_alone<Peer>(context, setting, true, workload, [&](Alone<Peer>& alone) {
        const std::size_t bytes = known_size<Peer::kFixed>(setting.bytes);
        const auto write = [bytes](std::byte* at, std::uint64_t sequence) {
            write_whole<Peer::kFixed>(at, bytes, sequence);
        };
        // One after the other, so that both have the same core at the same speed.
        constexpr std::uint64_t kCount = 4'000;
        std::vector<double> differences;
        const std::uint64_t end = ticks_before() + ticks_of(context.budget);
        while (differences.size() < kFewestBatches || ticks_before() < end) {
            const auto both = time_batch(kCount, [&] {
                alone.publish(write);
                alone.read();
            });
            const auto one = time_batch(kCount, [&] { alone.publish(write); });
            differences.push_back((static_cast<double>(both) - static_cast<double>(one)) *
                                  tick_ns() / static_cast<double>(kCount));
        }
        return differences;
    });
}

/// Acquire and release, with nothing new.
template <class Peer>
Measured again(Context& context, const Setting& setting, const std::string& workload) {
    return measure_alone<Peer>(context, setting, false, workload, [&](Alone<Peer>& alone) {
        return time_batches(context.budget, [&] { alone.read(); });
    });
}

/// "Is there anything newer?", when there is not.
template <class Peer>
Measured newer(Context& context, const Setting& setting, const std::string& workload) {
    return measure_alone<Peer>(context, setting, false, workload, [&](Alone<Peer>& alone) {
        return time_batches(context.budget, [&] { keep(alone.reader.newer()); });
    });
}

}  // namespace shmipc::bench
