// Workers that sleep for messages in processes of their own. Their hearts beat once an hour:
// whoever misses a wake-up sleeps until the test's patience ends.
#pragma once

#include "child.hpp"
#include "group_guard.hpp"
#include "segment.hpp"
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace shmipc::test {

inline constexpr WorkerIndex kFirst{0};
inline constexpr WorkerIndex kSecond{1};
inline constexpr WorkerIndex kThird{2};
inline constexpr auto kPatience = std::chrono::seconds(30);

inline const auto kText = std::as_bytes(std::span("text"));

inline Worker::Deadline soon() {
    return std::chrono::steady_clock::now() + kPatience;
}

/// What `wait(deadline)` returns; kTimeout if it took so long that only the deadline, and no
/// wake-up, can have ended it.
template <class Wait>
Errc in_time(Wait&& wait) {
    const auto begin = std::chrono::steady_clock::now();
    const Errc outcome = wait(soon());
    return std::chrono::steady_clock::now() - begin < kPatience / 2 ? outcome : Errc::kTimeout;
}

inline AttachOptions hourly() {
    AttachOptions options;
    options.heartbeat_interval = std::chrono::hours(1);
    return options;
}

inline Worker attach(const GroupGuard& guard, WorkerIndex index) {
    return Worker::attach(guard.config, index, hourly());
}

/// A second mapping of a worker's object, to look at it from outside or to play its producer.
inline detail::Mapping map(const GroupGuard& guard, WorkerIndex index) {
    return {detail::Segment::open(guard.config.name, index, detail::Access::kTakePart),
            detail::Role::kProducer};
}

/// Returns when the process, which has one thread, sleeps for a message of `channel`.
inline void until_asleep(const Child& sleeper, const detail::Mapping& channel) {
    for (int i = 0; i < 10'000; ++i) {
        std::ifstream file("/proc/" + std::to_string(sleeper.pid()) + "/stat");
        std::string text;
        std::getline(file, text);
        const auto state = text.rfind(") ");
        if (channel.channel().shared_part->waiting.load() == 1 && state != std::string::npos &&
            text[state + 2] == 'S') {
            return;
        }
        ::usleep(1'000);
    }
    FAIL("the sleeper does not fall asleep");
}

/// Worker `index` asleep for something newer in `channels`; ends with 0 when it has it.
inline auto sleeper(const GroupGuard& guard, WorkerIndex index, std::vector<WorkerIndex> channels) {
    return [&guard, index, channels = std::move(channels)](Child::Line& line) {
        Worker worker = attach(guard, index);
        line.tell();
        const Errc outcome =
            in_time([&](auto deadline) { return worker.wait_newer(channels, deadline); });
        if (outcome != Errc::kOk) {
            return static_cast<int>(outcome);
        }
        for (const WorkerIndex channel : channels) {
            if (worker.consumer(channel).acquire()) {
                return 0;
            }
        }
        return 98;
    };
}

}  // namespace shmipc::test
