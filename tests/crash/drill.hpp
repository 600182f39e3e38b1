// Drill: one operation of a victim in one situation, repeated with a death at each of its places.
//
// The rounds of a drill follow one another in one group: the victim of a round is the successor of
// the one before, so that each death is followed by a restart, and each restart by a death.
#pragma once

#include "puppet.hpp"
#include "stage.hpp"
#include "toll.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace shmipc::crash {

/// Small, so that a lap is quick; large enough for messages of many lengths.
inline constexpr std::uint64_t kDrillCapacity = 200;

/// An instant in an order's run: after so many entries and exits of system calls, and from there so
/// many instructions.
struct Spot {
    std::uint32_t calls = 0;
    std::uint32_t steps = 0;
};
std::string to_string(Spot spot);

class Drill {
  public:
    Drill() = default;
    Drill(const Drill&) = delete;
    Drill& operator=(const Drill&) = delete;
    virtual ~Drill() = default;

    /// Plays rounds without a death in the midst, and finds the places of the operation.
    virtual std::vector<Spot> learn() = 0;
    /// One round, with a death there; whether the operation was over by then. Throws Failure.
    virtual bool play(Spot spot) = 0;
    /// After the last round: one more restart, all leave, and nothing is left.
    virtual void finish() = 0;
};
using MakeDrill = std::function<std::unique_ptr<Drill>()>;

/// Plays a drill with a death at every `stride`-th place; after harm it goes on with a new group.
/// With a stride of 1 it goes on past the places that were learnt, until a round in which the
/// operation was over.
void explore(Toll& toll, const std::string& where, const MakeDrill& make, std::uint32_t stride = 1);

/// Steps of the order that the puppet has begun, made until there are `most`, or it is done.
std::uint32_t step_on(Puppet& puppet, std::uint32_t most,
                      const std::function<void(std::uint32_t done)>& after_each = {},
                      const Tracee::OnSleep& on_sleep = {});
/// The places of an operation of which the rounds took so many instructions, and the end of it.
std::vector<Spot> places_of(std::uint32_t instructions);

/// How much is played.
enum class Scope : std::uint8_t { kQuick, kFull };

void producer_drills(Toll& toll, Scope scope);
void consumer_drills(Toll& toll, Scope scope);
void recovery_drills(Toll& toll, Scope scope);
void birth_drills(Toll& toll, Scope scope);

}  // namespace shmipc::crash
