// A successor dies while it attaches, after a predecessor that died in the midst of something: at
// the entry and the exit of every system call, and at every instruction of the recovery itself.
//
// Most of attach() opens and maps the group's objects, and writes nothing that anybody sees. What
// is stepped begins with the last system call before recover_producer() writes the state and asks
// for the pid, and ends when attach() has returned: the incarnation, the look at the last message,
// the pins one by one, the state, and the ringing of all doorbells.
#include "drill.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/syscall.h>

namespace shmipc::crash {

namespace {

using protocol::CellState;
using protocol::CellWord;

/// Without the check of the pins that the predecessor left, which is the test's own.
constexpr Order kQuietly{.task = Task::kAttach, .count = 1};

/// Goes there, as far as the order goes.
void advance(Puppet& puppet, Spot spot) {
    bool goes_on = true;
    for (std::uint32_t i = 0; i < spot.calls && goes_on; ++i) {
        goes_on = puppet.run_to_call();
    }
    if (goes_on) {
        step_on(puppet, spot.steps);
    }
}

/// What is stepped, and with it the numbers of the places.
struct Map {
    std::uint32_t calls = 0;    ///< entries and exits in all
    std::uint32_t stepped = 0;  ///< the one from which on every instruction is a place
};

Map map_attach(Puppet& puppet) {
    puppet.begin(kQuietly);
    Map map;
    while (puppet.run_to_call()) {
        ++map.calls;
        if (puppet.tracee().call() == SYS_getpid) {
            map.stepped = map.calls - 1;
        }
    }
    expect(map.stepped != 0, "attaching does not ask for the pid");
    return map;
}

/// Instructions from an exit of a system call to the next one's entry, or to the end.
std::uint32_t instructions_from(Puppet& puppet, std::uint32_t calls) {
    puppet.begin(kQuietly);
    advance(puppet, {.calls = calls, .steps = 0});
    std::uint32_t count = 0;
    while (!puppet.tracee().before_call()) {
        ++count;
        if (!puppet.step()) {
            break;
        }
    }
    return count;
}

enum class Unit : std::uint8_t { kCall, kInstruction };

/// What is the same for a producer and a consumer: a predecessor dies, a successor dies while it
/// attaches, and the next victim, which attaches, is the proof that all is well.
class RecoveryDrill : public Drill {
  public:
    RecoveryDrill(WorkerIndex index, Unit unit)
        : index_(index), unit_(unit), arena_(kWorkers, kDrillCapacity) {}

    std::vector<Spot> learn() override {
        Map map;
        with_successor([&](Puppet& puppet) { map = map_attach(puppet); });
        std::vector<Spot> spots;
        if (unit_ == Unit::kCall) {
            for (std::uint32_t calls = 0; calls <= map.calls; ++calls) {
                spots.push_back({.calls = calls, .steps = 0});
            }
            return spots;
        }
        for (std::uint32_t calls = map.stepped; calls <= map.calls; calls += 2) {
            std::uint32_t count = 0;
            with_successor([&](Puppet& puppet) { count = instructions_from(puppet, calls); });
            for (std::uint32_t steps = 1; steps <= count; ++steps) {
                spots.push_back({.calls = calls, .steps = steps});
            }
        }
        return spots;
    }

    bool play(Spot spot) override {
        bool done = false;
        with_successor([&](Puppet& puppet) {
            puppet.begin(kQuietly);
            advance(puppet, spot);
            done = puppet.desk().done;
        });
        return done;
    }

  protected:
    static constexpr std::uint32_t kWorkers = 3;

    /// Brings about a death, after which somebody has something to recover.
    virtual void leave_something() = 0;
    /// After the death of a successor that was attaching.
    virtual void mourn() = 0;

    [[nodiscard]] Arena& arena() noexcept { return arena_; }
    /// A worker that has attached after whatever went before.
    void attach(std::optional<Puppet>& puppet, WorkerIndex channel) {
        const std::uint32_t before = incarnation();
        puppet.emplace(arena_.config(), index_);
        puppet->attach(channel);
        expect(puppet->desk().incarnation == before + 1,
               "the successor has incarnation " + std::to_string(puppet->desk().incarnation) +
                   " after " + std::to_string(before));
    }
    [[nodiscard]] std::uint32_t incarnation() const {
        const auto vitals = arena_.group().vital_signs(index_);
        expect(vitals.has_value(), "no vital signs");
        return vitals->incarnation;
    }

  private:
    void with_successor(const std::function<void(Puppet&)>& act) {
        leave_something();
        const std::uint32_t before = incarnation();
        Puppet successor(arena_.config(), index_);
        act(successor);
        successor.murder();
        expect(incarnation() == before || incarnation() == before + 1,
               "a death in attaching has made " + std::to_string(incarnation()) +
                   " of incarnation " + std::to_string(before));
        mourn();
    }

    WorkerIndex index_;
    Unit unit_;
    Arena arena_;
};

/// The predecessor died in the midst of a publish, each time one instruction later, while both
/// others slept.
class ProducerRecovery : public RecoveryDrill {
  public:
    explicit ProducerRecovery(Unit unit)
        : RecoveryDrill(kProducer, unit),
          first_(arena(), kConsumer),
          second_(arena(), kBystander) {}

    void finish() override {
        std::optional<Puppet> producer;
        restart(producer);
        each_sleeper([&](Actor& reader) { refresh_to(reader, producer->desk().published); });
        first_.leave();
        second_.leave();
        producer->leave();
        expect(arena().pins() == 0, "leaked pin: everybody has left, and a cell is not free");
        arena().remove();
    }

  protected:
    void leave_something() override {
        std::optional<Puppet> producer;
        restart(producer);
        producer->obey({.task = Task::kSeek});
        slept_after_ = producer->desk().published;
        each_sleeper([&](Actor& sleeper) {
            refresh_to(sleeper, slept_after_);
            sleeper.start({{.op = Op::kWait, .channel = kProducer}});
            sleeper.expect_asleep();
        });
        producer->begin({.task = Task::kPublish});
        // Over and over all of it.
        ++predecessors_steps_;
        if (step_on(*producer, predecessors_steps_) < predecessors_steps_) {
            predecessors_steps_ = 0;
        }
        producer->murder();
        latest_ = arena().expect_latest(kProducer, producer->desk().published,
                                        producer->desk().publishing);
    }
    void mourn() override { arena().expect_latest(kProducer, latest_); }

  private:
    /// Finds what the last who died after publishing has left, and wakes whom it did not.
    void restart(std::optional<Puppet>& producer) {
        attach(producer, kConsumer);
        expect(producer->desk().recovered == latest_,
               "lost: the successor finds message " + std::to_string(producer->desk().recovered) +
                   ", expected " + std::to_string(latest_));
        const bool asleep = slept_after_ != 0;
        if (!asleep || latest_ == slept_after_) {
            producer->obey({.task = Task::kLap, .count = 1});
        }
        if (asleep) {
            each_sleeper([](Actor& sleeper) {
                expect(sleeper.outcome() == Outcome::kDone, "a sleeper was not woken");
            });
        }
        slept_after_ = 0;
        producer->obey({.task = Task::kLap, .count = arena().lap()});
    }
    void each_sleeper(const std::function<void(Actor&)>& act) {
        act(first_);
        act(second_);
    }
    static void refresh_to(Actor& reader, std::uint64_t sequence) {
        reader.run(refresh(kProducer));
        expect(reader.page().seen[to_number(kProducer)] == sequence,
               "lost: a consumer does not get the latest message");
    }

    Actor first_;
    Actor second_;
    std::uint64_t latest_ = 0;
    std::uint64_t slept_after_ = 0;
    std::uint32_t predecessors_steps_ = 0;
};

/// The predecessor left this in its cell.
class ConsumerRecovery : public RecoveryDrill {
  public:
    ConsumerRecovery(Unit unit, CellState left)
        : RecoveryDrill(kConsumer, unit), left_(left), producer_(arena(), kProducer) {
        producer_.run(publish(1));
    }

    void finish() override {
        std::optional<Puppet> consumer;
        restart(consumer);
        consumer->obey({.task = Task::kAcquire});
        consumer->obey({.task = Task::kRecheck});
        consumer->leave();
        producer_.leave();
        expect(arena().pins() == 0, "leaked pin: everybody has left, and a cell is not free");
        arena().remove();
    }

  protected:
    void leave_something() override {
        std::optional<Puppet> consumer;
        restart(consumer);
        producer_.run(publish(1));
        if (left_ == CellState::kHeld || left_ == CellState::kKept) {
            consumer->obey({.task = Task::kAcquire});
            if (left_ == CellState::kKept) {
                consumer->obey({.task = Task::kRelease});
            }
        } else {
            acquire_until(*consumer);
        }
        consumer->murder();
        cell_ = cell();
        expect(cell_.state() == left_, "the predecessor has left " + to_string(cell_));
        sequence_ = sequence_in(cell_);
    }
    void mourn() override {
        const CellWord now = cell();
        expect(now == cell_ || now == CellWord{},
               "a death in attaching has left " + to_string(now) + " of " + to_string(cell_));
        expect(!proves(now) || sequence_in(now) == sequence_,
               "torn: what a dead consumer has pinned was overwritten");
        producer_.run(publish(arena().lap()));
        arena().expect_latest(kProducer, producer_.page().latest());
        expect(!proves(now) || (cell() == now && sequence_in(now) == sequence_),
               "torn: a lap has overwritten what a dead consumer has pinned");
    }

  private:
    [[nodiscard]] static bool proves(CellWord word) {
        return word.state() == CellState::kHeld || word.state() == CellState::kKept;
    }
    [[nodiscard]] CellWord cell() { return arena().cell(kProducer, kConsumer); }
    [[nodiscard]] std::uint64_t sequence_in(CellWord word) {
        return proves(word) ? arena().sequence_in(kProducer, word.slot()) : 0;
    }
    /// To the first instruction that leaves the cell as it is to be left; PENDING is what an
    /// acquire comes to that was overtaken.
    void acquire_until(Puppet& consumer) {
        consumer.begin({.task = Task::kAcquire});
        bool overtaken = left_ != CellState::kPending;
        while (cell().state() != left_ && consumer.step()) {
            if (!overtaken && cell().state() == CellState::kClaimed) {
                producer_.run(publish(1));
                overtaken = true;
            }
        }
    }
    /// Reclaims exactly the pin that is there.
    void restart(std::optional<Puppet>& consumer) {
        const CellWord found = cell();
        const std::uint64_t sequence = sequence_in(found);
        attach(consumer, kProducer);
        const Desk& desk = consumer->desk();
        const bool exactly = desk.pins == 1 && desk.reclaimed[0].channel == kProducer &&
                             desk.reclaimed[0].sequence == sequence &&
                             desk.reclaimed[0].held == (found.state() == CellState::kHeld);
        expect(found == CellWord{} ? desk.pins == 0 : exactly,
               "the successor did not reclaim exactly a cell that said " + to_string(found));
        expect(arena().pins_of(kConsumer) == 0, "leaked pin: the successor left it there");
    }

    CellState left_;
    Actor producer_;
    CellWord cell_;
    std::uint64_t sequence_ = 0;
};

void drill_producer(Toll& toll, const char* operation, Unit unit, std::uint32_t least,
                    std::uint32_t stride) {
    toll.begin(operation, unit == Unit::kCall ? Toll::Unit::kCall : Toll::Unit::kInstruction,
               least);
    explore(
        toll, "3 workers", [unit] { return std::make_unique<ProducerRecovery>(unit); }, stride);
    toll.end();
}

void drill_consumer(Toll& toll, const char* operation, Unit unit, std::uint32_t least,
                    std::uint32_t stride) {
    toll.begin(operation, unit == Unit::kCall ? Toll::Unit::kCall : Toll::Unit::kInstruction,
               least);
    for (const CellState left :
         {CellState::kClaimed, CellState::kPending, CellState::kHeld, CellState::kKept}) {
        explore(
            toll,
            "predecessor left the cell in state " + std::to_string(static_cast<unsigned>(left)),
            [unit, left] { return std::make_unique<ConsumerRecovery>(unit, left); }, stride);
    }
    toll.end();
}

}  // namespace

void recovery_drills(Toll& toll, Scope scope) {
    constexpr std::uint32_t kLeastInstructions = 200;
    constexpr std::uint32_t kLeastCalls = 40;
    const std::uint32_t stride = scope == Scope::kFull ? 1 : 16;
    drill_producer(toll, "producer recovery", Unit::kInstruction, kLeastInstructions, stride);
    drill_consumer(toll, "consumer recovery", Unit::kInstruction, kLeastInstructions, stride);
    drill_producer(toll, "attach after a producer's death", Unit::kCall, kLeastCalls, 1);
    drill_consumer(toll, "attach after a consumer's death", Unit::kCall, kLeastCalls, 1);
}

}  // namespace shmipc::crash
