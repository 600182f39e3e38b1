// A word and a futex: the least that waking another process can cost.
#include "entries.hpp"
#include "entry.hpp"
#include "shared_memory.hpp"

#include <atomic>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

namespace shmipc::bench {

namespace {

template <std::size_t kSize>
struct BareFutexPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "bare_futex";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = false;

    static std::string cannot(const PlaceConfig&) { return {}; }

    struct alignas(kLine) Word {
        std::atomic<std::uint32_t> count;
    };
    struct Place {
        explicit Place(const PlaceConfig& config)
            : memory(sizeof(Word) + config.setting.bytes), word(*new (memory.at(0)) Word{}) {}
        SharedMemory memory;
        Word& word;
    };
    struct Member {
        Member(Place& place, std::uint32_t)
            : word(place.word), message(place.memory.at(sizeof(Word))) {}
        Word& word;
        std::byte* message;
    };
    class Writer {
      public:
        explicit Writer(Member& member) : word_(member.word), message_(member.message) {}
        template <class Write>
        void publish(Write&& write) {
            write(message_);
            word_.count.fetch_add(1, std::memory_order_release);  // (1) pairs with (2)
            futex_wake_all(word_.count);
        }

      private:
        Word& word_;
        std::byte* message_;
    };
    class Reader {
      public:
        Reader(Member& member, std::uint32_t) : word_(member.word), message_(member.message) {}
        template <class Look>
        bool read(Look&& look) {
            seen_ = word_.count.load(std::memory_order_acquire);  // (2)
            look(message_, kSize);
            return seen_ != 0;
        }
        bool newer() { return word_.count.load(std::memory_order_relaxed) != seen_; }
        void wait() { futex_wait(word_.count, seen_); }

      private:
        Word& word_;
        const std::byte* message_;
        std::uint32_t seen_ = 0;
    };
};

}  // namespace

PeerEntry bare_futex_entry() {
    return {BareFutexPeer<64>::kName,
            [](Workload, Context& context, const Setting& setting) {
                return wake<BareFutexPeer<64>>(context, setting, "futex_wake");
            },
            {}};
}

}  // namespace shmipc::bench
