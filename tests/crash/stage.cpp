#include "stage.hpp"

#include <algorithm>
#include <string>

namespace shmipc::crash {

namespace {

using protocol::CellState;
using protocol::CellWord;
using protocol::Step;

/// Small, so that many groups are made quickly; large enough for messages of many lengths.
constexpr std::uint64_t kCapacity = 200;

/// Whether a cell in this state proves that its message is whole. Not CellWord::whole(), which is
/// under test.
bool proves(CellState state) {
    return state == CellState::kHeld || state == CellState::kKept;
}

bool one_of(CellState state, std::initializer_list<CellState> allowed) {
    return std::find(allowed.begin(), allowed.end(), state) != allowed.end();
}

/// What a consumer that died before this step may have left in its cell.
bool may_leave(CellState state, Step step, bool kept) {
    switch (step) {
        case Step::kConfirm:
        case Step::kHold:
        case Step::kPend:
            return state == CellState::kClaimed;
        case Step::kReload:
        case Step::kHoldPending:
            return one_of(state, {CellState::kPending, CellState::kHeld});
        case Step::kReadHeader:
        case Step::kVerify:
        case Step::kRelease:
            return state == CellState::kHeld;
        default:
            // Before it announces anything, or asleep.
            return state == (kept ? CellState::kKept : CellState::kFree);
    }
}

}  // namespace

Stage::Stage(std::uint32_t workers) : arena_(workers, kCapacity) {
    if (workers > 2) {
        bystander_.emplace(arena_, kBystander);
    }
}

void Stage::bystander_pins() {
    if (bystander_) {
        bystander_->run({{.op = Op::kAcquire, .channel = kProducer}});
        bystander_pinned_ = true;
    }
}

Actor Stage::restart_producer(std::uint64_t latest, std::uint32_t incarnation) {
    arena_.expect_latest(kProducer, latest);
    Actor successor(arena_, kProducer);
    expect(successor.page().recovered == latest, "lost: the successor finds message " +
                                                     std::to_string(successor.page().recovered) +
                                                     ", expected " + std::to_string(latest));
    expect(successor.page().incarnation == incarnation,
           "the successor has incarnation " + std::to_string(successor.page().incarnation) +
               ", expected " + std::to_string(incarnation));
    arena_.expect_latest(kProducer, latest);
    return successor;
}

void Stage::expect_cell(const Actor& dead) {
    const CellWord cell = arena_.cell(kProducer, kConsumer);
    const std::uint64_t held = dead.page().held[to_number(kProducer)];
    const std::uint64_t kept = dead.page().kept[to_number(kProducer)];
    expect(may_leave(cell.state(), dead.page().last().step, kept != 0),
           "the dead consumer's cell says " + to_string(cell));
    const std::uint64_t pinned = held != 0 ? held : kept;
    if (pinned != 0 && cell.state() == (held != 0 ? CellState::kHeld : CellState::kKept)) {
        expect(arena_.sequence_in(kProducer, cell.slot()) == pinned,
               "torn: the dead consumer's pin names a slot with message " +
                   std::to_string(arena_.sequence_in(kProducer, cell.slot())) + ", expected " +
                   std::to_string(pinned));
    }
    const bool reported = !arena_.group().held_by(kConsumer).empty();
    expect(reported == (cell.state() == CellState::kHeld),
           "Group::held_by is wrong about a cell that says " + to_string(cell));
}

Actor Stage::restart_consumer() {
    const CellWord cell = arena_.cell(kProducer, kConsumer);
    const std::uint64_t sequence =
        proves(cell.state()) ? arena_.sequence_in(kProducer, cell.slot()) : 0;
    Actor successor(arena_, kConsumer);
    const auto& pins = successor.reclaimed();
    const bool found = pins.size() == 1 && pins[0].channel == kProducer &&
                       pins[0].sequence == sequence &&
                       pins[0].held == (cell.state() == CellState::kHeld);
    expect(cell == CellWord{} ? pins.empty() : found,
           "the successor did not reclaim exactly a cell that said " + to_string(cell));
    expect(arena_.pins_of(kConsumer) == 0, "leaked pin: the successor left it there");
    expect(arena_.group().held_by(kConsumer).empty(), "Group::held_by reports a reclaimed pin");
    return successor;
}

void Stage::all_pin_old_ones(Actor& producer, Actor& consumer) {
    bystander_pins();
    producer.run(publish(1));
    consumer.run({{.op = Op::kAcquire, .channel = kProducer}});
    producer.run({{.op = Op::kReturnLoan}});
    producer.run(lap());
    arena_.expect_latest(kProducer, producer.page().latest());
    consumer.run({{.op = Op::kRelease, .channel = kProducer}});
    if (bystander_) {
        bystander_->run({{.op = Op::kRelease, .channel = kProducer}});
    }
}

void Stage::finish(Actor& producer, Actor& consumer) {
    producer.run(lap());
    const auto expect_reads_latest = [&](Actor& reader) {
        reader.run(refresh(kProducer));
        expect(reader.page().seen[to_number(kProducer)] == producer.page().latest(),
               "lost: a consumer does not get the latest message");
    };
    if (bystander_) {
        if (bystander_pinned_) {
            bystander_->run({{.op = Op::kRelease, .channel = kProducer}});
        }
        expect_reads_latest(*bystander_);
    }
    expect_reads_latest(consumer);
    all_pin_old_ones(producer, consumer);

    consumer.run(refresh(kProducer));
    consumer.start({{.op = Op::kWait, .channel = kProducer}});
    consumer.expect_asleep();
    producer.run(publish(1));
    expect(consumer.outcome() == Outcome::kDone, "a sleeper was not woken");
    expect_reads_latest(consumer);

    consumer.leave();
    producer.leave();
    if (bystander_) {
        bystander_->leave();
    }
    expect(arena_.pins() == 0, "leaked pin: everybody has left, and a cell is not free");
    arena_.remove();
}

Outcome drive(Actor& victim, const std::vector<std::function<void()>>& at_stops) {
    for (std::size_t stop = 0;; ++stop) {
        const Outcome outcome = victim.outcome();
        if (outcome != Outcome::kStopped) {
            return outcome;
        }
        at_stops.at(stop)();
        victim.resume();
    }
}

void expect_death(Outcome outcome, Place death) {
    expect(outcome == (death.occurrence == 0 ? Outcome::kDone : Outcome::kDied),
           "the victim never came to the place of its death");
}

}  // namespace shmipc::crash
