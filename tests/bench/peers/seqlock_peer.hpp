// A seqlock: one buffer and a counter, odd while it is written. Readers copy, and copy again if the
// counter has changed. Written here for comparison. The producer waits for nobody; a reader may
// copy for ever, and gives up after kTries here.
#pragma once

#include "../context.hpp"
#include "../payload.hpp"
#include "peer.hpp"
#include "shared_memory.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::bench {

template <std::size_t kSize>
struct SeqlockPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "seqlock";
    static constexpr bool kSleeps = false;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = false;
    static constexpr int kTries = 1000;

    static std::string cannot(const PlaceConfig&) { return {}; }

    struct alignas(kLine) Counter {
        std::atomic<std::uint64_t> value;  ///< odd: being written; 0: no message yet
    };
    class Place {
      public:
        explicit Place(const PlaceConfig& config)
            : bytes(config.setting.bytes), memory_(2 * channel_bytes()) {
            new (memory_.at(0)) Counter{};
            new (memory_.at(channel_bytes())) Counter{};
        }
        Counter& counter(std::uint32_t channel) {
            return *std::launder(reinterpret_cast<Counter*>(memory_.at(channel * channel_bytes())));
        }
        std::byte* buffer(std::uint32_t channel) {
            return memory_.at(channel * channel_bytes() + sizeof(Counter));
        }
        std::size_t bytes;

      private:
        [[nodiscard]] std::size_t channel_bytes() const {
            return sizeof(Counter) + (bytes + kLine - 1) / kLine * kLine;
        }
        SharedMemory memory_;
    };
    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {}
        Place& place;
        std::uint32_t index;
    };

    class Writer {
      public:
        explicit Writer(Member& member)
            : counter_(member.place.counter(member.index).value),
              buffer_(member.place.buffer(member.index)) {}
        template <class Write>
        void publish(Write&& write) {
            counter_.store(value_ + 1, std::memory_order_relaxed);
            // (1) release, pairs with (4): who has read a byte of the new message sees it odd.
            std::atomic_thread_fence(std::memory_order_release);
            write(buffer_);
            value_ += 2;
            counter_.store(value_, std::memory_order_release);  // (2) pairs with (3)
        }

      private:
        std::atomic<std::uint64_t>& counter_;
        std::byte* buffer_;
        std::uint64_t value_ = 0;
    };

    class Reader {
      public:
        Reader(Member& member, std::uint32_t from)
            : counter_(member.place.counter(from).value),
              buffer_(member.place.buffer(from)),
              copy_(member.place.bytes) {}
        template <class Look>
        bool read(Look&& look) {
            for (int i = 0; i < kTries; ++i) {
                const std::uint64_t before = counter_.load(std::memory_order_acquire);  // (3)
                if (before == seen_) {
                    break;
                }
                if (before % 2 != 0) {
                    continue;
                }
                // By the letter a data race, as in every seqlock that copies fast; what it has torn
                // is thrown away. It goes to a second buffer, so that the old message stays.
                next_.resize(copy_.size());
                std::memcpy(next_.data(), buffer_, known_size<kSize>(copy_.size()));
                std::atomic_thread_fence(std::memory_order_acquire);  // (4)
                if (counter_.load(std::memory_order_relaxed) == before) {
                    seen_ = before;
                    copy_.swap(next_);
                    break;
                }
            }
            if (seen_ == 0) {
                return false;
            }
            look(static_cast<const std::byte*>(copy_.data()), known_size<kSize>(copy_.size()));
            return true;
        }
        bool newer() { return counter_.load(std::memory_order_relaxed) != seen_; }

      private:
        std::atomic<std::uint64_t>& counter_;
        const std::byte* buffer_;
        std::vector<std::byte> copy_;
        std::vector<std::byte> next_;
        std::uint64_t seen_ = 0;
    };
};

}  // namespace shmipc::bench
