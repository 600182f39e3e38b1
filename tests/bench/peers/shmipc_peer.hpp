// shmipc itself, through its public interface: a type of its own for messages of a known size,
// bytes in place for others.
#pragma once

#include "../context.hpp"
#include "peer.hpp"
#include <shmipc/group.hpp>
#include <shmipc/worker.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace shmipc::bench {

template <std::size_t kBytes>
struct Words {
    std::array<std::uint64_t, kBytes / sizeof(std::uint64_t)> words;
};

}  // namespace shmipc::bench

template <>
struct shmipc::PayloadName<shmipc::bench::Words<8>> {
    static constexpr std::string_view kName = "shmipc.bench.8";
};
template <>
struct shmipc::PayloadName<shmipc::bench::Words<64>> {
    static constexpr std::string_view kName = "shmipc.bench.64";
};

namespace shmipc::bench {

GroupConfig group_for(const PlaceConfig& config);

/// Owns the group.
class ShmipcPlace {
  public:
    explicit ShmipcPlace(const PlaceConfig& config);
    ~ShmipcPlace();
    ShmipcPlace(const ShmipcPlace&) = delete;
    ShmipcPlace& operator=(const ShmipcPlace&) = delete;
    [[nodiscard]] Worker attach(std::uint32_t index) const;

  private:
    GroupConfig config_;
    TimeSource stamp_;
};

template <std::size_t kSize>
struct ShmipcPeer {
    using Message = std::conditional_t<kSize == 0, Bytes, Words<kSize == 0 ? 8 : kSize>>;
    using Place = ShmipcPlace;
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "shmipc";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = false;

    static std::string cannot(const PlaceConfig& config) {
        return config.setting.consumers < kMaxWorkers ? "" : "a group has at most 1024 workers";
    }

    struct Member {
        Member(Place& place, std::uint32_t index) : worker(place.attach(index)) {}
        Worker worker;
    };

    class Writer {
      public:
        explicit Writer(Member& member) : producer_(member.worker.template producer<Message>()) {}
        template <class Write>
        void publish(Write&& write) {
            if constexpr (kSize == 0) {
                Loan<Message> loan = producer_.loan();
                const std::span<std::byte> bytes = loan.bytes();
                write(bytes.data());
                loan.publish(bytes.size());
            } else {
                producer_.publish_with(
                    [&](Message& message) { write(reinterpret_cast<std::byte*>(&message)); });
            }
        }

      private:
        Producer<Message> producer_;
    };

    class Reader {
      public:
        Reader(Member& member, std::uint32_t from)
            : consumer_(member.worker.template consumer<Message>(WorkerIndex{from})) {}
        template <class Look>
        bool read(Look&& look) {
            const Pinned<Message> message = consumer_.acquire();
            if (!message) {
                return false;
            }
            if constexpr (kSize == 0) {
                const std::span<const std::byte> bytes = message.bytes();
                look(bytes.data(), bytes.size());
            } else {
                look(reinterpret_cast<const std::byte*>(&*message), kSize);
            }
            return true;
        }
        bool newer() { return consumer_.has_newer(); }
        void wait() { consumer_.wait_newer(std::chrono::seconds{1}); }

      private:
        Consumer<Message> consumer_;
    };
};

}  // namespace shmipc::bench
