// The usual design that pins slots: a word with the latest slot, and in each slot a mask with a bit
// for each reader. Written here for comparison. Lock-free, not wait-free; a reader that dies leaves
// its bit for ever; at most 64 readers.
#pragma once

#include "../context.hpp"
#include "../payload.hpp"
#include "peer.hpp"
#include "shared_memory.hpp"

#include <atomic>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

namespace shmipc::bench {

template <std::size_t kSize>
struct BitmaskPeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "bitmask";
    static constexpr bool kSleeps = false;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = false;
    static constexpr std::uint32_t kReaders = 64;
    static constexpr unsigned int kSlotBits = 8;

    static std::string cannot(const PlaceConfig& config) {
        return config.setting.consumers <= kReaders ? "" : "a mask has 64 bits";
    }

    struct alignas(kLine) Slot {
        std::atomic<std::uint64_t> readers;
    };
    struct alignas(kLine) Index {
        std::atomic<std::uint64_t> latest;  ///< sequence << kSlotBits | slot; 0: no message yet
    };
    static std::size_t stride(std::size_t bytes) {
        return sizeof(Slot) + (bytes + kLine - 1) / kLine * kLine;
    }

    class Place {
      public:
        explicit Place(const PlaceConfig& config)
            : bytes(config.setting.bytes),
              slots(config.setting.consumers + 2),
              memory_(2 * channel_bytes()) {
            for (std::uint32_t channel = 0; channel < 2; ++channel) {
                new (memory_.at(channel * channel_bytes())) Index{};
                for (std::uint64_t slot = 0; slot < slots; ++slot) {
                    new (slot_at(channel, slot)) Slot{};
                }
            }
        }
        Index& index(std::uint32_t channel) {
            return *std::launder(reinterpret_cast<Index*>(memory_.at(channel * channel_bytes())));
        }
        std::byte* slot_at(std::uint32_t channel, std::uint64_t slot) {
            return memory_.at(channel * channel_bytes() + sizeof(Index) + slot * stride(bytes));
        }
        std::size_t bytes;
        std::uint64_t slots;

      private:
        [[nodiscard]] std::size_t channel_bytes() const {
            return sizeof(Index) + slots * stride(bytes);
        }
        SharedMemory memory_;
    };
    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {}
        Place& place;
        std::uint32_t index;
    };

    class End {
      protected:
        End(Place& place, std::uint32_t channel)
            : index_(place.index(channel)),
              slots_(place.slot_at(channel, 0)),
              stride_(stride(known_size<kSize>(place.bytes))),
              bytes_(place.bytes) {}
        [[nodiscard]] std::atomic<std::uint64_t>& readers(std::uint64_t slot) const {
            return std::launder(reinterpret_cast<Slot*>(slots_ + slot * stride_))->readers;
        }
        [[nodiscard]] std::byte* payload(std::uint64_t slot) const {
            return slots_ + slot * stride_ + sizeof(Slot);
        }
        Index& index_;
        std::byte* slots_;
        std::size_t stride_;
        std::size_t bytes_;
    };

    class Writer : End {
      public:
        explicit Writer(Member& member)
            : End(member.place, member.index), count_(member.place.slots) {}
        template <class Write>
        void publish(Write&& write) {
            // (1) seq_cst, after the exchange (2) of the publish before: either this sees the
            // reader's bit (3), or the reader sees (4) that its slot is not the latest any more.
            do {
                slot_ = slot_ + 1 == count_ ? 0 : slot_ + 1;
            } while (slot_ == latest_ || this->readers(slot_).load() != 0);
            write(this->payload(slot_));
            latest_ = slot_;
            this->index_.latest.exchange(++sequence_ << kSlotBits | slot_);  // (2)
        }

      private:
        std::uint64_t count_;
        std::uint64_t slot_ = 0;
        std::uint64_t latest_ = 0;
        std::uint64_t sequence_ = 0;
    };

    class Reader : End {
      public:
        Reader(Member& member, std::uint32_t from)
            : End(member.place, from),
              bit_(std::uint64_t{1} << (member.index + kReaders - 1) % kReaders) {}
        template <class Look>
        bool read(Look&& look) {
            std::uint64_t word = this->index_.latest.load();
            if (word == 0) {
                return false;
            }
            for (;;) {
                std::atomic<std::uint64_t>& readers = this->readers(word & ((1U << kSlotBits) - 1));
                readers.fetch_or(bit_);                                // (3)
                const std::uint64_t now = this->index_.latest.load();  // (4)
                if (now == word) {
                    break;
                }
                readers.fetch_and(~bit_);
                word = now;
            }
            seen_ = word;
            const std::uint64_t slot = word & ((1U << kSlotBits) - 1);
            look(static_cast<const std::byte*>(this->payload(slot)),
                 known_size<kSize>(this->bytes_));
            this->readers(slot).fetch_and(~bit_, std::memory_order_release);  // pairs with (1)
            return true;
        }
        bool newer() { return this->index_.latest.load(std::memory_order_relaxed) != seen_; }

      private:
        std::uint64_t bit_;
        std::uint64_t seen_ = 0;
    };
};

}  // namespace shmipc::bench
