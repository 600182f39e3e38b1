// shmipc again, over one mapping: the two ends of a channel as the library has them, in memory that
// the process maps once. For what one thread costs that is producer and consumer at once: through
// the public interface it would be two workers in one process, which map each page twice. No two
// workers are in practice, and a processor may take a line that it has stored through one address
// for a missing one when it loads it through another (AMD's do).
#pragma once

#include "../payload.hpp"
#include "shared_memory.hpp"
#include "shmipc_peer.hpp"
#include <shmipc/detail/cores.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace shmipc::bench {

template <std::size_t kSize>
struct EndsPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "shmipc";
    static constexpr bool kSleeps = false;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = false;

    static std::string cannot(const PlaceConfig&) { return {}; }

    class Place {
      public:
        explicit Place(const PlaceConfig& config)
            : geometry_(group_for(config).geometry()), memory_(geometry_.object_bytes()) {}
        [[nodiscard]] protocol::Channel channel() const {
            return {geometry_, memory_.at(0), memory_.at(layout::Geometry::shared_offset()),
                    memory_.at(geometry_.slots_offset())};
        }

      private:
        layout::Geometry geometry_;
        SharedMemory memory_;
    };
    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {}
        Place& place;
        std::uint32_t index;
    };

    class Writer {
      public:
        explicit Writer(Member& member) : core_(member.place.channel(), nobody_) {
            core_.time_source = TimeSource::kNone;
            core_.wake_fence = false;  // as where membarrier is registered
            core_.end.recover();
        }
        template <class Write>
        void publish(Write&& write) {
            core_.publish(known_size<kSize>(core_.end.channel().geometry.capacity), write);
        }

      private:
        detail::Doorbells nobody_;
        detail::ProducerCore core_;
    };

    class Reader {
      public:
        Reader(Member& member, std::uint32_t from)
            : core_(member.place.channel(), WorkerIndex{from}, WorkerIndex{member.index}) {}
        template <class Look>
        bool read(Look&& look) {
            const auto outcome = core_.end.pin();
            if (outcome.status != Errc::kOk) {
                return false;
            }
            look(static_cast<const std::byte*>(core_.channel.payload(outcome.message.slot())),
                 known_size<kSize>(core_.channel.geometry.capacity));
            core_.end.release(outcome.message);
            return true;
        }
        bool newer() { return core_.end.has_newer(); }
        void wait() {}

      private:
        detail::ConsumerCore core_;
    };
};

}  // namespace shmipc::bench
