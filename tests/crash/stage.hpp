// Stage: what every round of the kill tests is played on, and the invariants that are checked after
// a death, after the restart, and at the end.
//
// Worker 0 is the producer of the channel under test, worker 1 a consumer of it; with three workers
// worker 2 is a bystander, a second consumer that nothing happens to and that must notice nothing.
// The test itself, which observes, is a process of its own.
#pragma once

#include "actor.hpp"
#include "arena.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace shmipc::crash {

inline constexpr WorkerIndex kProducer{0};
inline constexpr WorkerIndex kConsumer{1};
inline constexpr WorkerIndex kBystander{2};

class Stage {
  public:
    explicit Stage(std::uint32_t workers);

    [[nodiscard]] Arena& arena() noexcept { return arena_; }
    /// Messages enough to rewrite every free slot of the channel.
    [[nodiscard]] Script lap() const { return publish(arena_.lap()); }

    /// The bystander, if there is one, pins the latest message and keeps it until finish().
    void bystander_pins();
    [[nodiscard]] std::optional<Actor>& bystander() noexcept { return bystander_; }

    /// After the producer's death: the latest message is `latest`, whole, for everybody; the
    /// successor finds it, has the next incarnation, and publishes nothing by attaching.
    Actor restart_producer(std::uint64_t latest, std::uint32_t incarnation);

    /// After the consumer's death: the cell says what the place of death allows.
    void expect_cell(const Actor& dead);
    /// After the consumer's death: its successor reclaims exactly the pin that is there now.
    Actor restart_consumer();

    /// The end of every round, with all workers alive and idle: each reads the latest message; all
    /// pin different old ones while the producer laps the slots; a sleeper is woken; all leave, no
    /// pin and no object stays.
    void finish(Actor& producer, Actor& consumer);

  private:
    void all_pin_old_ones(Actor& producer, Actor& consumer);

    Arena arena_;
    std::optional<Actor> bystander_;
    bool bystander_pinned_ = false;
};

/// Waits for the victim's outcome; at its n-th stop calls `at_stops[n]` and lets it go on.
Outcome drive(Actor& victim, const std::vector<std::function<void()>>& at_stops);

/// Whether a round that meant its victim to die had it die, and otherwise not. Throws Failure.
void expect_death(Outcome outcome, Place death);

}  // namespace shmipc::crash
