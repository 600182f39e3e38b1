// Every byte that the processes of a group share.
//
// One object for each worker, `shmipc.<group>.<index>` in POSIX shared memory. It is the channel of
// that worker: the worker is its producer, the other N−1 are its consumers. R = N−1 consumers,
// S ≥ N+1 slots.
//
//  offset            part      mapped by producer / others
//  0                 PRODUCER  read-write / read-only
//                    +------------------------------------------------------------------------+
//                    | Header      magic, layout, generation, geometry   written before birth |
//                    | PayloadStamp name and size of the payload type    stamped once         |
//                    | current     {sequence mod 2^48, slot + 1}         its own cache line   |
//                    | Vitals      pid, state, incarnation, heartbeat                         |
//                    +------------------------------------------------------------------------+
//  shared_offset()   SHARED    read-write / read-write
//                    +------------------------------------------------------------------------+
//                    | doorbell    futex word this worker sleeps on      its own cache line   |
//                    | waiting     somebody sleeps for this channel      its own cache line   |
//                    | sleepers    a bit for each worker that sleeps for this channel         |
//                    | cell[0…R)   consumers' pins                       a cache line each    |
//                    +------------------------------------------------------------------------+
//  slots_offset()    SLOTS     read-write / read-only
//                    +------------------------------------------------------------------------+
//                    | slot[0…S)   SlotHeader, payload                   stride() bytes each  |
//                    +------------------------------------------------------------------------+
//
// Parts begin at multiples of 64 KiB, so that each can be mapped with its own protection on
// machines with pages of up to that size. Only the bytes that are used are backed by memory.
//
// The layout is an ABI between separately built programs: fixed widths, explicit offsets, our own
// constant for the cache line, and a hash of it all that both sides compare (layout_hash()).
//
// A stray write in a consumer can reach the SHARED part only: it may cost wake-ups or a pin, which
// is noticed at release, but it can change no message.
#pragma once

#include <shmipc/ids.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace shmipc::layout {

/// Not std::hardware_destructive_interference_size: that differs by compiler, and this is an ABI.
inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::uint64_t kPartAlignment = std::uint64_t{64} * 1024;

inline constexpr std::uint64_t kMagic = 0x31'63'70'69'6d'68'73'7f;  // "\x7fshmipc1"
inline constexpr std::uint32_t kLayoutVersion = 2;

using SharedU32 = std::atomic<std::uint32_t>;
using SharedU64 = std::atomic<std::uint64_t>;
static_assert(SharedU32::is_always_lock_free && SharedU64::is_always_lock_free,
              "a lock inside an atomic would not be shared between processes");
static_assert(sizeof(SharedU32) == 4 && sizeof(SharedU64) == 8,
              "atomics must have the size of their value, since the layout is an ABI");

/// Written by the creator before the object has a name; constant afterwards, whoever dies.
struct Header {
    std::uint64_t magic;
    std::uint32_t layout_version;
    std::uint32_t group_size;  ///< N
    std::uint64_t layout_hash;
    std::uint64_t generation[2];  ///< random, the same in all N objects of one birth
    std::uint32_t index;          ///< of the worker whose channel this is
    std::uint32_t slot_count;     ///< S
    std::uint64_t capacity;       ///< bytes of the longest message
    std::uint64_t object_bytes;   ///< size of the whole object
};
static_assert(sizeof(Header) == 64 && std::is_standard_layout_v<Header>);

/// Written by the producer's first attach, read by typed consumers. `stamped` is stored last, with
/// release: a death before that leaves it 0, and the next attach writes the rest again. Constant
/// once it is 1.
struct PayloadStamp {
    SharedU32 stamped;   ///< 0 or 1
    std::uint32_t size;  ///< bytes; 0 for raw bytes of any length
    char name[56];       ///< padded with NUL
};
static_assert(sizeof(PayloadStamp) == 64 && std::is_standard_layout_v<PayloadStamp>);

/// Life of a worker, as the worker itself tells it.
enum class WorkerState : std::uint32_t {
    kNever = 0,      ///< nobody has attached yet
    kAttaching = 1,  ///< recovering what its predecessor left
    kAttached = 2,   ///< may publish and acquire, does not call itself ready yet
    kReady = 3,
    kStopped = 4,  ///< detached in order
};

/// Written by the producer alone, read by anybody; after a death it keeps the last values. Nobody
/// bases safety on it: the identity lock tells who lives, these only describe.
struct Vitals {
    SharedU32 pid;          ///< in the pid namespace of the worker
    SharedU32 state;        ///< WorkerState
    SharedU32 incarnation;  ///< 1 for the first that attached; grows by one with each attach
    SharedU32 membarrier;   ///< 1: this incarnation is registered for membarrier (sleep.hpp)
    SharedU64 started_ns;   ///< CLOCK_BOOTTIME when it attached
    SharedU64 heartbeat;    ///< changes while the worker makes progress
    std::uint64_t reserved[4];
};
static_assert(sizeof(Vitals) == 64 && std::is_standard_layout_v<Vitals>);

struct ProducerPart {
    alignas(kCacheLine) Header header;
    alignas(kCacheLine) PayloadStamp payload;
    /// protocol/words.hpp. 0: nothing published yet. Written by the producer, read by all. After a
    /// crash it names the last message published, or is 0: nothing else is ever stored.
    alignas(kCacheLine) SharedU64 current;
    alignas(kCacheLine) Vitals vitals;
};
static_assert(sizeof(ProducerPart) == 4 * kCacheLine && std::is_standard_layout_v<ProducerPart>);
static_assert(offsetof(ProducerPart, current) == 128 && offsetof(ProducerPart, vitals) == 192);

inline constexpr std::size_t kSleeperWords = kMaxWorkers / 64;

/// A consumer's pin. Written by that consumer; the producer may turn PENDING into HELD. After a
/// crash it holds any of its five states: see protocol/pin.hpp.
struct alignas(kCacheLine) Cell {
    SharedU32 word;   ///< protocol/words.hpp: CellWord
    SharedU64 reads;  ///< new messages acquired, over all incarnations; for statistics only
};
static_assert(sizeof(Cell) == kCacheLine && std::is_standard_layout_v<Cell>);

/// Followed by the cells.
struct SharedPart {
    /// Raised by whoever wakes this worker, slept on by this worker alone. Any value may stand here
    /// after a crash: only changes mean something.
    alignas(kCacheLine) SharedU32 doorbell;
    /// 1: a bit of `sleepers` may be set. Set by sleepers, cleared by the producer. A dead sleeper
    /// leaves it set, which costs one needless wake.
    alignas(kCacheLine) SharedU32 waiting;
    /// Bit i of word i / 64: worker i sleeps, or slept, for a message of this channel.
    alignas(kCacheLine) SharedU64 sleepers[kSleeperWords];
};
static_assert(sizeof(SharedPart) == 4 * kCacheLine && std::is_standard_layout_v<SharedPart>);

/// Written by the producer while no consumer can have the slot pinned, constant while one has.
/// Atomics, because observers look without a pin (protocol/copy.hpp). After a crash of the
/// producer in a slot that was not yet published any mixture may stand here.
/// Few wide words: a publish is little more than its stores.
struct SlotHeader {
    SharedU64 sequence;  ///< 1 for the first message; 0 while the slot is being written
    SharedU64 time;      ///< protocol/words.hpp: Time; old bytes where origin says so
    SharedU64 origin;    ///< protocol/words.hpp: Origin
    std::uint64_t reserved;
};
static_assert(sizeof(SlotHeader) == 32 && std::is_standard_layout_v<SlotHeader>);

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) noexcept {
    return (value + multiple - 1) / multiple * multiple;
}

/// The four numbers that determine the layout of an object, and what follows from them. All sizes
/// and offsets in bytes; computed in 64 bits, which the limits in ids.hpp cannot overflow.
struct Geometry {
    std::uint32_t workers = 0;
    std::uint32_t slots = 0;
    std::uint64_t capacity = 0;

    /// The fewest slots that can do: one for each of N−1 consumers to pin, the current one, and one
    /// to write into.
    static constexpr std::uint32_t minimum_slots(std::uint32_t workers) noexcept {
        return workers + 1;
    }
    /// `current` has 13 bits for slot + 1 (protocol/pin.hpp: Grip); and more than this is never
    /// useful.
    static constexpr std::uint32_t maximum_slots(std::uint32_t workers) noexcept {
        return 4 * workers > 64 ? 4 * workers : 64;
    }
    /// What a group gets that asks for no number. A scan of the cells serves as many publishes as
    /// it finds slots free: N+1 spare ones make the scan's cost a publish constant whatever the
    /// consumers pin, 29 make its fence cheap in small groups. But no more than 64 KiB of them: the
    /// scan is nothing beside the writing of a long message.
    static constexpr std::uint32_t default_slots(std::uint32_t workers,
                                                 std::uint64_t capacity) noexcept {
        const std::uint64_t wanted = workers + 1 > 29 ? workers + 1 : 29;
        const std::uint64_t spare_bytes = std::uint64_t{64} * 1024;
        // Where the capacity is none, its stride may be 0.
        const std::uint64_t affordable =
            capacity > spare_bytes ? 0 : spare_bytes / Geometry{workers, 0, capacity}.stride();
        return minimum_slots(workers) +
               static_cast<std::uint32_t>(wanted < affordable ? wanted : affordable);
    }

    [[nodiscard]] constexpr bool valid() const noexcept {
        return workers >= kMinWorkers && workers <= kMaxWorkers && capacity >= kMinCapacity &&
               capacity <= kMaxCapacity && slots >= minimum_slots(workers) &&
               slots <= maximum_slots(workers);
    }
    [[nodiscard]] constexpr std::uint32_t consumers() const noexcept { return workers - 1; }

    /// Small messages share the cache line of their slot header; longer ones begin on a line of
    /// their own. Either way a payload is aligned for every type that fits into it and is aligned
    /// to 64 or less.
    [[nodiscard]] constexpr std::uint64_t payload_offset() const noexcept {
        return capacity <= kCacheLine - sizeof(SlotHeader) ? sizeof(SlotHeader) : kCacheLine;
    }
    [[nodiscard]] constexpr std::uint64_t stride() const noexcept {
        return round_up(payload_offset() + capacity, kCacheLine);
    }
    [[nodiscard]] static constexpr std::uint64_t producer_bytes() noexcept {
        return sizeof(ProducerPart);
    }
    [[nodiscard]] static constexpr std::uint64_t shared_offset() noexcept {
        return round_up(producer_bytes(), kPartAlignment);
    }
    [[nodiscard]] constexpr std::uint64_t shared_bytes() const noexcept {
        return sizeof(SharedPart) + std::uint64_t{consumers()} * sizeof(Cell);
    }
    [[nodiscard]] constexpr std::uint64_t slots_offset() const noexcept {
        return shared_offset() + round_up(shared_bytes(), kPartAlignment);
    }
    [[nodiscard]] constexpr std::uint64_t slots_bytes() const noexcept {
        return std::uint64_t{slots} * stride();
    }
    [[nodiscard]] constexpr std::uint64_t object_bytes() const noexcept {
        return slots_offset() + slots_bytes();
    }
    /// Memory that one object takes, in bytes: the gaps between its parts are never backed.
    [[nodiscard]] constexpr std::uint64_t backed_bytes(std::uint64_t page) const noexcept {
        return round_up(producer_bytes(), page) + round_up(shared_bytes(), page) +
               round_up(slots_bytes(), page);
    }

    friend constexpr bool operator==(const Geometry&, const Geometry&) = default;
};

/// FNV-1a over every size, offset and alignment that two programs must agree upon.
constexpr std::uint64_t layout_hash() noexcept {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const std::uint64_t value :
         std::initializer_list<std::uint64_t>{kCacheLine,
                                              kPartAlignment,
                                              sizeof(Header),
                                              sizeof(PayloadStamp),
                                              sizeof(Vitals),
                                              sizeof(ProducerPart),
                                              offsetof(ProducerPart, payload),
                                              offsetof(ProducerPart, current),
                                              offsetof(ProducerPart, vitals),
                                              offsetof(Vitals, incarnation),
                                              offsetof(Vitals, heartbeat),
                                              sizeof(SharedPart),
                                              offsetof(SharedPart, waiting),
                                              offsetof(SharedPart, sleepers),
                                              sizeof(Cell),
                                              alignof(Cell),
                                              offsetof(Cell, reads),
                                              sizeof(SlotHeader),
                                              offsetof(SlotHeader, time),
                                              offsetof(SlotHeader, origin),
                                              kMaxWorkers}) {
        for (unsigned shift = 0; shift < 64; shift += 8) {
            hash ^= (value >> shift) & 0xffU;
            hash *= 0x100000001b3U;
        }
    }
    return hash;
}

}  // namespace shmipc::layout
