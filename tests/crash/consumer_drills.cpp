// A consumer dies at every instruction of acquire, release and wait, whatever its producer is at.
#include "drill.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shmipc::crash {

namespace {

using protocol::CellState;
using protocol::CellWord;

constexpr Command kRecheckIt{.op = Op::kRecheck, .channel = kProducer};

/// What the producer does while the consumer stands half-way.
struct Interference {
    /// Once the consumer's cell says so; or, if that is nothing, after so many instructions.
    std::optional<CellState> once{};
    std::uint32_t after = 0;
    std::uint32_t messages = 1;
};

/// What the consumer does when it dies.
struct Use {
    std::vector<Task> before{};    ///< when there is a new message
    bool publish_between = false;  ///< one message between `before` and `task`
    Task task = Task::kAcquire;
    std::vector<Interference> interferences{};
    Place producer_stop{};  ///< half-way of several messages; nowhere: it is at rest
};

/// What the deaths of a drill have left in the cell.
using States = std::set<CellState>;

bool proves(CellState state) {
    return state == CellState::kHeld || state == CellState::kKept;
}

class ConsumerDrill : public Drill {
  public:
    ConsumerDrill(std::uint32_t workers, const Use& use, States& left)
        : use_(use), left_(left), arena_(workers, kDrillCapacity), producer_(arena_, kProducer) {
        producer_.run(publish(1));
        if (workers > 2) {
            bystander_.emplace(arena_, kBystander);
            bystander_->run({{.op = Op::kAcquire, .channel = kProducer}});
        }
    }

    std::vector<Spot> learn() override {
        std::uint32_t most = 0;
        for (int i = 0; i < kRehearsals; ++i) {
            most = std::max(most, round(kAll));
        }
        left_.clear();
        return places_of(most);
    }

    bool play(Spot spot) override {
        round(spot.steps);
        return consumer_->desk().done;
    }

    void finish() override {
        restart();
        consumer_->obey({.task = Task::kAcquire});
        expect(consumer_->desk().held == producer_.page().latest(),
               "lost: the last successor does not get the latest message");
        consumer_->obey({.task = Task::kRecheck});
        consumer_->leave();
        producer_.leave();
        if (bystander_) {
            bystander_->run({kRecheckIt, {.op = Op::kRelease, .channel = kProducer}});
            bystander_->leave();
        }
        expect(arena_.pins() == 0, "leaked pin: everybody has left, and a cell is not free");
        arena_.remove();
    }

  private:
    static constexpr int kRehearsals = 4;
    static constexpr std::uint32_t kAll = ~std::uint32_t{0};

    [[nodiscard]] CellWord cell() const { return arena_.cell(kProducer, kConsumer); }

    /// Returns how many instructions were made.
    std::uint32_t round(std::uint32_t steps) {
        restart();
        producer_.run(publish(1));
        for (const Task task : use_.before) {
            consumer_->obey({.task = task}, [&] { producer_.run(publish(1)); });
        }
        if (use_.publish_between) {
            producer_.run(publish(1));
        }
        if (use_.producer_stop.occurrence != 0) {
            producer_.start(publish(arena_.workers() + 2),
                            {.death = {}, .stops = {use_.producer_stop}});
            expect(producer_.outcome() == Outcome::kStopped, "a producer did not come to its stop");
            producer_stopped_ = true;
        }
        consumer_->begin({.task = use_.task});
        std::size_t interfered = 0;
        const std::uint32_t made = step_on(
            *consumer_, steps,
            [&](std::uint32_t done) {
                if (interfered < use_.interferences.size() &&
                    is_time(use_.interferences[interfered], done)) {
                    producer_.run(publish(use_.interferences[interfered++].messages));
                }
            },
            [&] { producer_.run(publish(1)); });
        if (steps == kAll) {
            expect(interfered == use_.interferences.size(), "the producer never came to interfere");
        }
        consumer_->murder();
        mourn();
        return made;
    }

    [[nodiscard]] bool is_time(const Interference& interference, std::uint32_t done) const {
        return interference.once ? cell().state() == *interference.once
                                 : done == interference.after;
    }

    /// The dead consumer's cell is one of what it may be, and in nobody's way.
    void mourn() {
        const CellWord found = cell();
        left_.insert(found.state());
        const bool known = found == CellWord{} || found.state() == CellState::kPending ||
                           found.state() == CellState::kClaimed || proves(found.state());
        expect(known, "the dead consumer's cell says " + to_string(found));
        const std::uint64_t sequence = sequence_in(found);
        const Desk& desk = consumer_->desk();
        if (desk.held != 0) {
            expect(found.state() == CellState::kHeld && sequence == desk.held,
                   "torn: the consumer had message " + std::to_string(desk.held) +
                       " pinned, and its cell says " + to_string(found) + " with " +
                       std::to_string(sequence));
        }
        if (found.state() == CellState::kKept) {
            expect(sequence == desk.kept, "torn: the message that was kept is gone");
        }
        expect(arena_.group().held_by(kConsumer).empty() == (found.state() != CellState::kHeld),
               "Group::held_by is wrong about a cell that says " + to_string(found));
        arena_.expect_latest(kProducer, producer_.page().latest());
        if (!producer_stopped_) {
            lap_past(found, sequence);
        }
    }

    /// The producer is not in the way of the dead one's pin, nor that in its.
    void lap_past(CellWord found, std::uint64_t sequence) {
        producer_.run(publish(arena_.lap()));
        arena_.expect_latest(kProducer, producer_.page().latest());
        const CellWord now = cell();
        expect(
            found.state() == CellState::kPending ? now.state() == CellState::kHeld : now == found,
            "a lap has made " + to_string(now) + " of a cell that said " + to_string(found));
        expect(!proves(found.state()) || sequence_in(found) == sequence,
               "torn: what a dead consumer has pinned was overwritten");
        if (bystander_) {
            bystander_->run({kRecheckIt});
        }
    }

    [[nodiscard]] std::uint64_t sequence_in(CellWord word) const {
        return proves(word.state()) ? arena_.sequence_in(kProducer, word.slot()) : 0;
    }

    /// The successor reclaims exactly the pin that is there; also while the producer stands
    /// half-way, and what it pins then stays whole.
    void restart() {
        const CellWord found = cell();
        const std::uint64_t sequence = sequence_in(found);
        consumer_.emplace(arena_.config(), kConsumer);
        consumer_->attach(kProducer);
        const Desk& desk = consumer_->desk();
        const bool exactly = desk.pins == 1 && desk.reclaimed[0].channel == kProducer &&
                             desk.reclaimed[0].sequence == sequence &&
                             desk.reclaimed[0].held == (found.state() == CellState::kHeld);
        expect(found == CellWord{} ? desk.pins == 0 : exactly,
               "the successor did not reclaim exactly a cell that said " + to_string(found));
        ++lives_;
        expect(desk.incarnation == lives_, "the successor has another incarnation");
        expect(arena_.pins_of(kConsumer) == 0, "leaked pin: the successor left it there");
        expect(arena_.group().held_by(kConsumer).empty(), "Group::held_by reports a reclaimed pin");
        if (producer_stopped_) {
            let_producer_go_on();
        }
    }

    void let_producer_go_on() {
        consumer_->obey({.task = Task::kAcquire});
        expect(consumer_->desk().held == producer_.page().latest(),
               "lost: a consumer does not get the latest message of a stopped producer");
        producer_stopped_ = false;
        producer_.resume();
        expect(producer_.outcome() == Outcome::kDone, "a producer stopped once more");
        producer_.run(publish(arena_.lap()));
        consumer_->obey({.task = Task::kRecheck});
        consumer_->obey({.task = Task::kRelease});
        if (bystander_) {
            bystander_->run({kRecheckIt});
        }
    }

    Use use_;
    States& left_;
    Arena arena_;
    Actor producer_;
    std::optional<Actor> bystander_;
    std::optional<Puppet> consumer_;
    bool producer_stopped_ = false;
    std::uint32_t lives_ = 0;
};

std::string in_group_of(std::uint32_t workers) {
    return std::to_string(workers) + " workers";
}

/// An operation with what its deaths must have left in the cell, each at least once.
struct Operation {
    std::string name;
    std::uint32_t least = 0;  ///< fewest instructions that it can be thought to take
    Use use{};
    States leaves{};
    Scope scope = Scope::kQuick;  ///< from which on it is played
};

void drill_use(Toll& toll, const Operation& operation, const std::string& where,
               std::uint32_t workers, const Use& use, std::uint32_t stride = 1) {
    States left;
    explore(
        toll, where, [&] { return std::make_unique<ConsumerDrill>(workers, use, left); }, stride);
    if (stride == 1 && !toll.hopeless() &&
        !std::includes(left.begin(), left.end(), operation.leaves.begin(),
                       operation.leaves.end())) {
        toll.failed(where, "no death has left the cell in a state that some must have left");
    }
}

std::vector<Operation> operations(std::uint32_t lap) {
    using enum CellState;
    const std::vector<Task> used{Task::kAcquire, Task::kRelease};
    const std::vector<Task> slept{Task::kAcquire, Task::kRelease, Task::kWait, Task::kAcquire,
                                  Task::kRelease};
    const Interference overtake{.once = kClaimed, .messages = 1};
    const auto while_pending = [](std::uint32_t messages) {
        return Interference{.once = kPending, .messages = messages};
    };
    return {
        {"acquire", 20, {.task = Task::kAcquire}, {kFree, kClaimed, kHeld}},
        {"acquire, another kept",
         20,
         {.before = used, .publish_between = true, .task = Task::kAcquire},
         {kKept, kClaimed, kHeld}},
        {"acquire the same again", 15, {.before = used, .task = Task::kAcquire}, {kKept, kHeld}},
        {"acquire, overtaken",
         30,
         {.task = Task::kAcquire, .interferences = {overtake}},
         {kFree, kClaimed, kPending, kHeld}},
        {"acquire, overtaken by a lap",
         30,
         {.task = Task::kAcquire, .interferences = {{.once = kClaimed, .messages = lap}}},
         {kFree, kClaimed, kPending, kHeld}},
        {"acquire, overtaken twice",
         30,
         {.task = Task::kAcquire, .interferences = {overtake, while_pending(1)}},
         {kFree, kClaimed, kHeld}},
        {"acquire, overtaken and helped",
         30,
         {.task = Task::kAcquire, .interferences = {overtake, while_pending(lap)}},
         {kFree, kClaimed, kHeld}},
        {"release", 10, {.before = {Task::kAcquire}, .task = Task::kRelease}, {kHeld, kKept}},
        {"wait, news there", 40, {.before = {Task::kWait}, .task = Task::kWait}, {kFree}},
        {"wait, asleep", 60, {.before = slept, .task = Task::kWait}, {kKept}},
        // The first sleep of a life looks after the object's name, as others do once a second.
        {"wait, asleep for the first time",
         60,
         {.before = used, .task = Task::kWait},
         {kKept},
         Scope::kFull},
    };
}

/// The steps of a producer that publishes several messages.
std::vector<Place> producer_places(std::uint32_t workers) {
    Arena arena(workers, kDrillCapacity);
    Actor producer(arena, kProducer);
    producer.run(publish(1));
    producer.run(publish(workers + 2));
    std::vector<Place> path = producer.page().path();
    producer.leave();
    return path;
}

void drill_pairs(Toll& toll, const Operation& operation, Scope scope) {
    toll.begin(operation.name + ", producer half-way", Toll::Unit::kInstruction, operation.least);
    for (const std::uint32_t workers : {2U, 3U}) {
        for (const Place stop : producer_places(workers)) {
            const bool quick = scope == Scope::kQuick;
            if (quick && (workers == 3 || stop.occurrence != 1)) {
                continue;
            }
            Use use = operation.use;
            use.producer_stop = stop;
            Operation any_state = operation;
            any_state.leaves.clear();
            drill_use(toll, any_state,
                      in_group_of(workers) + ", producer stopped before " + to_string(stop),
                      workers, use, quick ? 4 : 1);
        }
    }
    toll.end();
}

/// One message, or a lap, at each instruction of the acquire, and a death at each after it.
void drill_overtaking_anywhere(Toll& toll, Operation operation, std::uint32_t lap) {
    operation.leaves.clear();
    toll.begin("acquire, overtaken anywhere", Toll::Unit::kInstruction, operation.least);
    std::uint32_t instructions = 0;
    {
        States left;
        ConsumerDrill drill(2, operation.use, left);
        instructions = static_cast<std::uint32_t>(drill.learn().size()) - 1;
        drill.finish();
    }
    for (std::uint32_t after = 1; after < instructions; ++after) {
        for (const std::uint32_t messages : {1U, lap}) {
            Use use = operation.use;
            use.interferences = {{.once = {}, .after = after, .messages = messages}};
            drill_use(toll, operation,
                      std::to_string(messages) + " messages after " + std::to_string(after) +
                          " instructions",
                      2, use);
        }
    }
    toll.end();
}

}  // namespace

void consumer_drills(Toll& toll, Scope scope) {
    const std::vector<Operation> all = operations(2 * (3 + 1) + 1);
    for (const Operation& operation : all) {
        if (scope < operation.scope) {
            continue;
        }
        toll.begin(operation.name, Toll::Unit::kInstruction, operation.least);
        for (const std::uint32_t workers : {2U, 3U}) {
            if (workers == 3 || scope == Scope::kFull) {
                drill_use(toll, operation, in_group_of(workers), workers, operation.use);
            }
        }
        toll.end();
    }
    for (const Operation& operation : all) {
        if (operation.use.interferences.empty() && operation.use.task != Task::kWait) {
            drill_pairs(toll, operation, scope);
        }
    }
    if (scope == Scope::kFull) {
        drill_overtaking_anywhere(toll, all.front(), 2 * (2 + 1) + 1);
    }
}

}  // namespace shmipc::crash
