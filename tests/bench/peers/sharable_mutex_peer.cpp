// One buffer, guarded by a Boost.Interprocess sharable mutex, which is a lock for readers and
// writers. Each waits for the other; one that dies with the lock stops all.
#include "../payload.hpp"
#include "entries.hpp"
#include "entry.hpp"
#include "shared_memory.hpp"

#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/interprocess/sync/sharable_lock.hpp>

#include <atomic>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

namespace shmipc::bench {

namespace {

namespace interprocess = boost::interprocess;
using Mutex = interprocess::interprocess_sharable_mutex;

template <std::size_t kSize>
struct SharableMutexPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "sharable_mutex";
    static constexpr bool kSleeps = false;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = false;

    static std::string cannot(const PlaceConfig& config) {
        return config.held ? "a producer waits until the last reader has let go" : "";
    }

    struct alignas(kLine) Head {
        Mutex mutex;
        alignas(kLine) std::atomic<std::uint64_t> sequence;  ///< 0: no message yet
    };
    class Place {
      public:
        explicit Place(const PlaceConfig& config)
            : bytes(config.setting.bytes), memory_(2 * channel_bytes()) {
            new (memory_.at(0)) Head{};
            new (memory_.at(channel_bytes())) Head{};
        }
        ~Place() {
            head(0).~Head();
            head(1).~Head();
        }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        Head& head(std::uint32_t channel) {
            return *std::launder(reinterpret_cast<Head*>(memory_.at(channel * channel_bytes())));
        }
        std::byte* buffer(std::uint32_t channel) {
            return memory_.at(channel * channel_bytes() + sizeof(Head));
        }
        std::size_t bytes;

      private:
        [[nodiscard]] std::size_t channel_bytes() const {
            return sizeof(Head) + (bytes + kLine - 1) / kLine * kLine;
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
            : head_(member.place.head(member.index)), buffer_(member.place.buffer(member.index)) {}
        template <class Write>
        void publish(Write&& write) {
            const interprocess::scoped_lock<Mutex> lock(head_.mutex);
            write(buffer_);
            // Relaxed, here and below: ordered by the mutex; newer() is a hint.
            head_.sequence.store(++sequence_, std::memory_order_relaxed);
        }

      private:
        Head& head_;
        std::byte* buffer_;
        std::uint64_t sequence_ = 0;
    };

    class Reader {
      public:
        Reader(Member& member, std::uint32_t from)
            : head_(member.place.head(from)),
              buffer_(member.place.buffer(from)),
              bytes_(member.place.bytes) {}
        template <class Look>
        bool read(Look&& look) {
            const interprocess::sharable_lock<Mutex> lock(head_.mutex);
            seen_ = head_.sequence.load(std::memory_order_relaxed);
            if (seen_ != 0) {
                look(buffer_, known_size<kSize>(bytes_));
            }
            return seen_ != 0;
        }
        bool newer() { return head_.sequence.load(std::memory_order_relaxed) != seen_; }

      private:
        Head& head_;
        const std::byte* buffer_;
        std::size_t bytes_;
        std::uint64_t seen_ = 0;
    };
};

}  // namespace

PeerEntry sharable_mutex_entry() {
    return make_entry<SharableMutexPeer>();
}

}  // namespace shmipc::bench
