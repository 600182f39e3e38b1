// What a measurement needs to know of the run that it is part of, and what it gives back.
#pragma once

#include "process.hpp"
#include <shmipc/message.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::bench {

struct Context {
    const Signals& signals;
    int first_core = 0;
    int second_core = kAnyCore;  ///< kAnyCore: this machine gives us only one
    /// How long one repeat of one point measures, apart from its preparation.
    std::chrono::milliseconds budget{40};
    std::chrono::seconds patience{20};
    double best_ping_pong_ns = 0;  ///< 0: not known yet
    std::uint32_t places = 0;      ///< made so far: part of their names

    /// Of this process and place alone.
    [[nodiscard]] std::string next_name();
};

/// One point of the table, apart from the peer.
struct Setting {
    std::size_t bytes = 64;
    std::uint32_t consumers = 1;
    TimeSource stamp = TimeSource::kNone;
    bool fewest_slots = false;  ///< as few as the peer needs, instead of what its users get
};

/// What a peer makes the place from, in which its processes meet.
struct PlaceConfig {
    std::string name;
    Setting setting;
    bool both_ways = false;  ///< the first consumer writes a channel too, which the producer reads
    bool unread = false;     ///< messages are published without anyone who reads them
    bool held = false;       ///< consumers hold old messages meanwhile
};

struct Metric {
    std::string workload;
    std::string unit;
    std::vector<double> samples;
};

/// What one repeat of a point gave.
struct Measured {
    std::vector<Metric> metrics;
    double ping_pong_ns = 0;  ///< before it; 0 for what uses one core
    std::string impossible;   ///< why this peer cannot do this at all
    std::string failure;      ///< why it went wrong this time
    std::string note;
    std::uint64_t torn = 0;
    std::uint64_t reversed = 0;
};

inline Measured impossible(std::string why) {
    Measured result;
    result.impossible = std::move(why);
    return result;
}

}  // namespace shmipc::bench
