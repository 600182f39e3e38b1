// The real code of the protocol on the memory of weak_memory.hpp: a search goes through all
// schedules of a scenario's actors, all values that their loads may return, and all deaths. What is
// bounded is the scenario: how often each actor publishes, acquires or copies, and how many die.
//
// Stateless: each run begins anew and makes the same choices again up to the first new one. A run
// ends early where it comes to a state that an earlier one went on from. The state is the memory,
// and for each actor, whose code is deterministic, the values that its operations have returned;
// a 64-bit hash stands for it.
#pragma once

#include "../common/fiber.hpp"
#include "mutation.hpp"
#include "weak_memory.hpp"
#include <shmipc/protocol/memory.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>

namespace shmipc::test::weak {

class Search;

/// What the actors do, and in what memory.
class Scenario {
  public:
    struct Bounds {
        unsigned actors = 2;
        unsigned deaths = 0;       ///< at the most
        unsigned mortal = 0;       ///< a bit for each actor that may die
        bool long_search = false;  ///< takes too long to be run for each mutation
    };

    Scenario(std::string name, const Bounds& bounds) : name_(std::move(name)), bounds_(bounds) {}
    Scenario(const Scenario&) = delete;
    Scenario& operator=(const Scenario&) = delete;
    virtual ~Scenario() = default;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const Bounds& bounds() const noexcept { return bounds_; }

    virtual void declare(WeakMemoryModel& memory) = 0;
    /// Before each run.
    virtual void reset() = 0;
    /// In the actor's fiber; again, after a death, as its successor.
    virtual void act(Search& search, unsigned actor) = 0;
    /// When nobody can go on.
    virtual void finish(Search& search) = 0;
    /// `step` has returned `value`: here belongs what the code reads next outside its Memory.
    virtual void after(Search& /*search*/, unsigned /*actor*/, protocol::Step /*step*/,
                       const void* /*word*/, std::uint64_t /*value*/) {}

  private:
    std::string name_;
    Bounds bounds_;
};

class Search {
  public:
    static constexpr unsigned kNobody = kMaxActors;

    /// `mutation`, or none, lasts as long as the search. Without `prune` each run goes on to its
    /// end.
    explicit Search(Scenario& scenario, const Mutation* mutation = nullptr, bool prune = true);

    /// Until all is done or something is violated.
    void run();

    [[nodiscard]] const std::string& violation() const noexcept { return violation_; }
    [[nodiscard]] std::uint64_t runs() const noexcept { return runs_; }
    [[nodiscard]] std::uint64_t states() const noexcept { return visited_.size(); }
    /// States in which nobody could go on.
    [[nodiscard]] const std::unordered_set<std::uint64_t>& ends() const noexcept { return ends_; }
    [[nodiscard]] const Record& record() const noexcept { return record_; }

    // For the scenario's actors, in their fibers.
    /// Ends the search unless `holds`.
    void require(unsigned actor, bool holds, const char* what);
    /// Others may go on here.
    void point(unsigned actor);
    /// Nothing more of this actor until wake().
    void sleep(unsigned actor);
    void wake(unsigned actor) noexcept { asleep_[actor] = false; }
    [[nodiscard]] bool asleep(unsigned actor) const noexcept { return asleep_[actor]; }
    /// Operations of the actor in this run.
    [[nodiscard]] unsigned operations(unsigned actor) const noexcept { return operations_[actor]; }
    void read_block(unsigned actor, std::size_t block);
    void write_block(unsigned actor, std::size_t block);
    /// A relaxed load that the code does by itself just after this: see WeakMemoryModel.
    std::uint64_t expose(unsigned actor, const void* word);
    /// A relaxed store of the scenario's own.
    void store(unsigned actor, const void* word, std::uint64_t value);
    [[nodiscard]] const WeakMemoryModel& memory() const noexcept { return memory_; }

    // For WeakMemory.
    std::uint64_t load(unsigned actor, protocol::Step step, const void* word,
                       std::memory_order order);
    void store(unsigned actor, protocol::Step step, const void* word, std::uint64_t value,
               std::memory_order order);
    std::uint64_t exchange(unsigned actor, protocol::Step step, const void* word,
                           std::uint64_t value, std::memory_order order);
    bool compare_exchange(unsigned actor, protocol::Step step, const void* word,
                          std::uint64_t& expected, std::uint64_t desired, std::memory_order success,
                          std::memory_order failure);
    std::uint64_t fetch_or(unsigned actor, protocol::Step step, const void* word,
                           std::uint64_t bits, std::memory_order order);
    std::uint64_t fetch_add(unsigned actor, protocol::Step step, const void* word,
                            std::uint64_t value, std::memory_order order);
    void fence(unsigned actor, protocol::Step step, std::memory_order order);
    void mark(unsigned actor, protocol::Step step);

  private:
    void run_once();
    void start(unsigned actor);
    [[nodiscard]] unsigned decide(unsigned current);
    void before(unsigned actor, protocol::Step step);
    [[nodiscard]] bool quiet(unsigned actor, protocol::Step step) const noexcept;
    [[nodiscard]] bool ready(unsigned actor) const noexcept {
        return fibers_[actor].alive() && !asleep_[actor];
    }
    [[nodiscard]] bool mortal(unsigned actor) const noexcept {
        return deaths_ > 0 && (scenario_.bounds().mortal >> actor & 1U) != 0;
    }
    [[nodiscard]] std::memory_order weakened(const Use& use) const noexcept {
        return mutation_ != nullptr && mutation_->use == use ? mutation_->weaker : use.order;
    }
    [[nodiscard]] std::memory_order order_of(const Use& use) noexcept {
        record_.add(use);
        return weakened(use);
    }
    void note(unsigned actor, std::uint64_t value) noexcept {
        histories_[actor] = mix(histories_[actor], value);
    }
    [[nodiscard]] std::uint64_t state() const noexcept;

    Scenario& scenario_;
    const Mutation* mutation_;
    bool prune_;
    Chooser chooser_;
    WeakMemoryModel memory_;
    std::array<Fiber, kMaxActors> fibers_;
    std::unordered_set<std::uint64_t> visited_;
    std::unordered_set<std::uint64_t> ends_;
    Record record_;
    std::string violation_;
    std::uint64_t runs_ = 0;

    // Of this run.
    std::array<std::uint64_t, kMaxActors> histories_{};  ///< hashes of what operations returned
    std::array<bool, kMaxActors> asleep_{};
    std::array<unsigned, kMaxActors> operations_{};
    unsigned deaths_ = 0;
    unsigned next_ = 0;
    bool dying_ = false;
    bool known_ = false;  ///< came to a state that an earlier run went on from
};

/// The Memory of one actor.
class WeakMemory {
  public:
    /// Nothing throws: an actor that dies is not resumed.
    static constexpr bool kNothrow = true;

    WeakMemory(Search& search, unsigned actor) noexcept : search_(&search), actor_(actor) {}

    template <class T>
    T load(protocol::Step step, const std::atomic<T>& word, std::memory_order order) noexcept {
        return static_cast<T>(search_->load(actor_, step, &word, order));
    }
    template <class T>
    void store(protocol::Step step, std::atomic<T>& word, T value,
               std::memory_order order) noexcept {
        search_->store(actor_, step, &word, value, order);
    }
    template <class T>
    T exchange(protocol::Step step, std::atomic<T>& word, T value,
               std::memory_order order) noexcept {
        return static_cast<T>(search_->exchange(actor_, step, &word, value, order));
    }
    template <class T>
    bool compare_exchange(protocol::Step step, std::atomic<T>& word, T& expected, T desired,
                          std::memory_order success, std::memory_order failure) noexcept {
        std::uint64_t found = expected;
        const bool done =
            search_->compare_exchange(actor_, step, &word, found, desired, success, failure);
        expected = static_cast<T>(found);
        return done;
    }
    template <class T>
    T fetch_or(protocol::Step step, std::atomic<T>& word, T bits,
               std::memory_order order) noexcept {
        return static_cast<T>(search_->fetch_or(actor_, step, &word, bits, order));
    }
    template <class T>
    T fetch_add(protocol::Step step, std::atomic<T>& word, T value,
                std::memory_order order) noexcept {
        return static_cast<T>(search_->fetch_add(actor_, step, &word, value, order));
    }
    void fence(protocol::Step step, std::memory_order order) noexcept {
        search_->fence(actor_, step, order);
    }
    void mark(protocol::Step step) noexcept { search_->mark(actor_, step); }

  private:
    Search* search_;
    unsigned actor_;
};

}  // namespace shmipc::test::weak
