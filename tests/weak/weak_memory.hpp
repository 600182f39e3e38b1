// A model of the memory of C++20, which shows what real machines show rarely or never: loads that
// return old values. It is operational and view-based. Each word keeps every value that was stored
// to it, in modification order; each actor has a view, which says for each word how old a value the
// actor may still read. Which of these values a load returns is a choice of the search.
//
//   load      any value not older than the actor's view of the word: the coherence rules
//             [intro.races]/15-18. The view then includes the value read.
//   store     comes last in modification order ([intro.races]/4).
//   RMW       reads the last value ([atomics.order]/10) and continues the release sequence that
//             it reads from ([intro.races]/5). A compare-exchange that fails is a load.
//   release   the value carries the actor's view; a relaxed one, that of its last release fence
//             ([atomics.fences]/2, 3).
//   acquire   the actor's view includes the view that the value carries: synchronizes-with
//             ([atomics.order]/2). A relaxed load keeps that view for a later acquire fence
//             ([atomics.fences]/2, 4).
//   seq_cst   one more view, which stands for the order S so far ([atomics.order]/4). A load reads
//             nothing older than it says (4.1, 4.2), loads, stores and RMWs raise it (4.1), and a
//             fence makes it and the actor's view equal (4.2-4.4). It holds ages of values alone:
//             S makes nothing happen before anything.
//
// After Kang, Hur, Lahav, Vafeiadis, Dreyer, "A promising semantics for relaxed-memory
// concurrency", POPL 2017, without its promises; the order S after Lahav, Vafeiadis, Kang, Hur,
// Dreyer, "Repairing sequential consistency in C/C++11", PLDI 2017, which C++20 has taken up.
//
// What it leaves out:
//   - Load buffering: an operation never reads from one that comes later. Promises would be for
//     that.
//   - Stores that come earlier in modification order than one that was executed before (the shape
//     2+2W). It takes two writers that do not know of each other. Most words have one writer; a
//     cell has the producer's compare-exchange besides, which changes nothing but PENDING, and
//     after PENDING the consumer begins with a compare-exchange of its own; `waiting`, `sleepers`
//     and the doorbells are only ever changed by RMWs, which read the value before them.
//   - An order S that contradicts happens-before, which C++20 permits for words that both
//     sequentially consistent and weaker operations change. No proof here depends on it.
//
// Bytes that are not atomic have no choices: to read or write them without happens-before is a data
// race ([intro.races]/21), which vector clocks find.
//
// The newest value of each word also stands in the word itself, for those who read it directly.
#pragma once

#include "../common/fiber.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace shmipc::test::weak {

/// For hashes of states: two equal results from different arguments are as likely as chance.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
    hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15U + 1U;
    hash = (hash ^ hash >> 32U) * 0xd6e8'feb8'6659'fd93U;
    return hash ^ hash >> 32U;
}

inline constexpr unsigned kMaxActors = 4;

/// For each word the number of the oldest value that may still be read; for each actor the time up
/// to which what it did happened before now.
class View {
  public:
    static constexpr std::size_t kWords = 28;

    [[nodiscard]] std::uint8_t word(std::size_t index) const noexcept { return at_[index]; }
    [[nodiscard]] std::uint8_t clock(unsigned actor) const noexcept { return at_[kWords + actor]; }
    void raise(std::size_t word, std::size_t number) noexcept {
        const auto to = static_cast<std::uint8_t>(number);
        at_[word] = at_[word] < to ? to : at_[word];
    }
    void tick(unsigned actor);
    void join(const View& other) noexcept { join(other, at_.size()); }
    /// Without the clocks.
    void join_words(const View& other) noexcept { join(other, kWords); }
    [[nodiscard]] std::uint64_t hash(std::uint64_t seed) const noexcept;

  private:
    void join(const View& other, std::size_t count) noexcept {
        for (std::size_t i = 0; i < count; ++i) {
            at_[i] = at_[i] < other.at_[i] ? other.at_[i] : at_[i];
        }
    }

    std::array<std::uint8_t, kWords + kMaxActors> at_{};
};

/// The memory of one search. The words and the bytes are declared once; begin() forgets all else.
class WeakMemoryModel {
  public:
    /// For actors 0 … actors − 1.
    WeakMemoryModel(Chooser& chooser, unsigned actors) : chooser_(chooser), actors_(actors) {}

    template <class T>
    void declare(std::atomic<T>& word) {
        words_.push_back({&word,
                          [](const void* at) -> std::uint64_t {
                              return static_cast<const std::atomic<T>*>(at)->load(
                                  std::memory_order_relaxed);
                          },
                          [](void* at, std::uint64_t value) {
                              static_cast<std::atomic<T>*>(at)->store(static_cast<T>(value),
                                                                      std::memory_order_relaxed);
                          },
                          {},
                          0,
                          0});
    }
    /// A word of a payload that observers copy.
    void declare_word_of_bytes(std::byte* at);
    /// `count` blocks of bytes that are not atomic, by number.
    void declare_blocks(std::size_t count) { blocks_.resize(count); }

    /// A new run: what the words hold now has happened before everything.
    void begin();

    std::uint64_t load(unsigned actor, const void* word, std::memory_order order);
    void store(unsigned actor, const void* word, std::uint64_t value, std::memory_order order);
    std::uint64_t exchange(unsigned actor, const void* word, std::uint64_t value,
                           std::memory_order order);
    std::uint64_t fetch_or(unsigned actor, const void* word, std::uint64_t bits,
                           std::memory_order order);
    std::uint64_t fetch_add(unsigned actor, const void* word, std::uint64_t value,
                            std::memory_order order);
    bool compare_exchange(unsigned actor, const void* word, std::uint64_t& expected,
                          std::uint64_t desired, std::memory_order success,
                          std::memory_order failure);
    /// A relaxed fence is none.
    void fence(unsigned actor, std::memory_order order);
    /// membarrier(2): a sequentially consistent fence in every actor, wherever it is, between two
    /// of the caller's.
    void fence_all(unsigned actor);

    /// The actor's process dies, and another takes its place and its identity lock. The kernel
    /// hands the lock over: all that the dead one did happened before. Its fences are lost.
    void replace(unsigned actor);

    /// False: a data race.
    [[nodiscard]] bool read_block(unsigned actor, std::size_t block);
    [[nodiscard]] bool write_block(unsigned actor, std::size_t block);

    /// A relaxed load that the code under test does by itself just after this: the word holds the
    /// chosen value until conceal().
    std::uint64_t expose(unsigned actor, const void* word);
    void conceal();

    /// The newest value.
    [[nodiscard]] std::uint64_t newest(const void* word) const;
    /// Hash of all that a later operation may depend on.
    [[nodiscard]] std::uint64_t hash() const noexcept;

  private:
    struct Message {
        std::uint64_t value = 0;
        View released;  ///< what an acquire of it synchronizes-with
    };
    struct Word {
        void* at = nullptr;
        std::uint64_t (*get)(const void*) = nullptr;
        void (*set)(void*, std::uint64_t) = nullptr;
        std::array<Message, 32> messages{};  ///< in modification order
        std::size_t count = 0;
        std::uint64_t hash = 0;  ///< of the messages
    };
    struct Actor {
        View current;
        View acquirable;  ///< what an acquire fence would add to it
        View released;    ///< as of the last release fence
    };
    /// When each actor last read, and when the last writer wrote.
    struct Block {
        std::array<std::uint8_t, kMaxActors> read{};
        unsigned writer = 0;
        std::uint8_t written = 0;
    };

    [[nodiscard]] std::size_t index_of(const void* word) const;
    [[nodiscard]] std::size_t oldest_readable(unsigned actor, std::size_t word,
                                              std::memory_order order) const noexcept;
    std::uint64_t read(unsigned actor, std::size_t word, std::size_t number,
                       std::memory_order order);
    void append(unsigned actor, std::size_t word, std::uint64_t value, std::memory_order order,
                const View* continued);
    template <class Change>
    std::uint64_t modify(unsigned actor, const void* word, std::memory_order order,
                         Change&& change);

    static constexpr std::size_t kNothing = ~std::size_t{0};

    Chooser& chooser_;
    std::vector<Word> words_;
    std::vector<Block> blocks_;
    std::vector<Actor> actors_;
    View total_;                      ///< the order S so far
    std::size_t exposed_ = kNothing;  ///< word that holds an old value
};

}  // namespace shmipc::test::weak
