// A producer dies at every instruction of a publish, whatever its consumers are at.
#include "drill.hpp"
#include "half.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace shmipc::crash {

namespace {

constexpr Command kAcquireIt{.op = Op::kAcquire, .channel = kProducer};
constexpr Command kReleaseIt{.op = Op::kRelease, .channel = kProducer};
constexpr Command kRecheckIt{.op = Op::kRecheck, .channel = kProducer};
constexpr Command kWaitForIt{.op = Op::kWait, .channel = kProducer};
constexpr Place kConfirm{protocol::Step::kConfirm, 1};

/// What the producer is to do when it dies.
struct Work {
    Task task = Task::kPublish;
    std::uint32_t workers = 2;
    /// Of the messages that it has published before in this life. With three workers and one slot
    /// pinned a scan finds two slots, so that it scans after an odd number of them.
    std::uint32_t parity = 0;
};

/// The producer, and what is the same in all situations.
class ProducerDrill : public Drill {
  public:
    explicit ProducerDrill(const Work& work)
        : work_(work), arena_(work.workers, kDrillCapacity), consumer_(arena_, kConsumer) {
        if (work.workers > 2) {
            bystander_.emplace(arena_, kBystander);
        }
        producer_.emplace(arena_.config(), kProducer);
        producer_->attach(kConsumer);
        lap(1);
        producer_->murder();
        latest_ = lives_ = 1;
    }

    std::vector<Spot> learn() override {
        std::uint32_t most = 0;
        for (int i = 0; i < kRehearsals; ++i) {
            most = std::max(most, round(kAll));
        }
        return places_of(most);
    }

    bool play(Spot spot) override {
        round(spot.steps);
        return producer_->desk().done;
    }

    void finish() override {
        restart();
        recover();
        lap(arena_.lap());
        each_consumer([&](Actor& reader) {
            if (reader.page().held[to_number(kProducer)] != 0) {
                reader.run({kRecheckIt, kReleaseIt});
            }
            refresh_to(reader, sequence());
            reader.leave();
        });
        producer_->leave();
        expect(arena_.pins() == 0, "leaked pin: everybody has left, and a cell is not free");
        arena_.remove();
    }

  protected:
    /// The consumers' part, with the producer at rest: before its order, and after its successor's
    /// start and first messages.
    virtual void arrange() = 0;
    virtual void recover() = 0;
    /// The same, with the producer dead; `steps` into its order.
    virtual void mourn(std::uint32_t steps) = 0;

    void lap(std::uint32_t messages) { producer_->obey({.task = Task::kLap, .count = messages}); }
    /// Makes ready what is published when `between` more are.
    void seek(std::uint32_t between = 0) {
        producer_->obey({.task = Task::kSeek, .count = between, .parity = work_.parity});
    }
    void each_consumer(const std::function<void(Actor&)>& act) {
        act(consumer_);
        if (bystander_) {
            act(*bystander_);
        }
    }
    /// The reader gets exactly this message, whole.
    static void acquire_latest(Actor& reader, std::uint64_t sequence) {
        reader.run({kAcquireIt});
        expect(reader.page().seen[to_number(kProducer)] == sequence,
               "lost: a consumer gets message " +
                   std::to_string(reader.page().seen[to_number(kProducer)]) + ", expected " +
                   std::to_string(sequence));
    }
    static void refresh_to(Actor& reader, std::uint64_t sequence) {
        acquire_latest(reader, sequence);
        reader.run({kReleaseIt});
    }

    [[nodiscard]] Arena& arena() noexcept { return arena_; }
    [[nodiscard]] Actor& consumer() noexcept { return consumer_; }
    [[nodiscard]] std::optional<Actor>& bystander() noexcept { return bystander_; }
    /// Of the last message, whose producer is alive or dead.
    [[nodiscard]] std::uint64_t sequence() const { return producer_->desk().published; }
    [[nodiscard]] std::uint64_t latest() const noexcept { return latest_; }

  private:
    static constexpr int kRehearsals = 4;
    static constexpr std::uint32_t kAll = ~std::uint32_t{0};

    /// Returns how many instructions were made.
    std::uint32_t round(std::uint32_t steps) {
        restart();
        recover();
        arrange();
        producer_->begin({.task = work_.task});
        const std::uint32_t made = step_on(*producer_, steps);
        producer_->murder();
        const Desk& desk = producer_->desk();
        latest_ = arena_.expect_latest(kProducer, desk.published, desk.publishing);
        mourn(made);
        arena_.expect_latest(kProducer, latest_);
        return made;
    }

    /// The successor finds what everybody else has found, and publishes nothing by attaching.
    void restart() {
        producer_.emplace(arena_.config(), kProducer);
        producer_->attach(kConsumer);
        const Desk& desk = producer_->desk();
        expect(desk.recovered == latest_, "lost: the successor finds message " +
                                              std::to_string(desk.recovered) + ", expected " +
                                              std::to_string(latest_));
        ++lives_;
        expect(desk.incarnation == lives_, "the successor has incarnation " +
                                               std::to_string(desk.incarnation) + ", expected " +
                                               std::to_string(lives_));
        arena_.expect_latest(kProducer, latest_);
    }

    Work work_;
    Arena arena_;
    Actor consumer_;
    std::optional<Actor> bystander_;
    std::optional<Puppet> producer_;
    std::uint64_t latest_ = 0;
    std::uint32_t lives_ = 0;
};

/// All consumers have another message pinned, so that but one slot is free, and each publish scans.
class EachPinsItsOwn : public ProducerDrill {
  public:
    explicit EachPinsItsOwn(const Work& work) : ProducerDrill(work) {
        each_consumer([&](Actor& reader) { acquire_latest(reader, latest()); });
    }

  protected:
    void arrange() override {
        each_consumer([&](Actor& reader) {
            reader.run({kReleaseIt});
            acquire_latest(reader, sequence());
            lap(1);
        });
        seek();
    }
    void recover() override {
        lap(arena().lap());
        each_consumer([](Actor& reader) { reader.run({kRecheckIt}); });
    }
    void mourn(std::uint32_t /*steps*/) override {
        each_consumer([](Actor& reader) { reader.run({kRecheckIt}); });
    }
};

/// All have the same one pinned since before the producer's start, so that slots are to spare.
class AllPinOne : public ProducerDrill {
  public:
    explicit AllPinOne(const Work& work) : ProducerDrill(work) {
        each_consumer([&](Actor& reader) { acquire_latest(reader, latest()); });
    }

  protected:
    void arrange() override { seek(); }
    void recover() override {
        lap(arena().lap());
        each_consumer([](Actor& reader) { reader.run({kRecheckIt}); });
    }
    void mourn(std::uint32_t /*steps*/) override {
        each_consumer([&](Actor& reader) {
            reader.run({kRecheckIt, kReleaseIt});
            acquire_latest(reader, latest());
        });
    }
};

/// All sleep for the message. Nobody may be left asleep past the restart if it was published, nor
/// past the next publish if it was not.
class AllSleep : public ProducerDrill {
  public:
    using ProducerDrill::ProducerDrill;

  protected:
    void arrange() override {
        lap(arena().lap());
        seek();
        each_consumer([&](Actor& sleeper) {
            refresh_to(sleeper, sequence());
            sleeper.start({kWaitForIt});
            sleeper.expect_asleep();
        });
        slept_after_ = sequence();
    }
    void recover() override {
        if (slept_after_ != 0) {
            if (latest() == slept_after_) {
                lap(1);
            }
            each_consumer([](Actor& sleeper) {
                expect(sleeper.outcome() == Outcome::kDone, "a sleeper was not woken");
            });
        }
    }
    void mourn(std::uint32_t /*steps*/) override {}

  private:
    std::uint64_t slept_after_ = 0;
};

/// The consumer is stopped at one of its steps. It goes on when the producer is dead, or when the
/// successor has lapped all slots.
class ConsumerHalfway : public ProducerDrill {
  public:
    enum class GoesOn : std::uint8_t { kAtOnce, kAfterLap, kByTurns };

    ConsumerHalfway(const Work& work, const Half& half, GoesOn goes_on)
        : ProducerDrill(work), half_(half), goes_on_(goes_on) {}

  protected:
    void arrange() override {
        lap(1);  // so that the consumer has not got the latest already
        if (bystander()) {
            acquire_latest(*bystander(), sequence());
        }
        const bool overtaken = half_.approach == Approach::kOvertaken;
        seek(overtaken ? 1 : 0);
        Script script = refresh(kProducer);
        std::vector<Place> stops{half_.place};
        if (half_.approach == Approach::kSleepy) {
            refresh_to(consumer(), sequence());
            script.insert(script.begin(), kWaitForIt);
        }
        if (overtaken) {
            stops.insert(stops.begin(), kConfirm);
        }
        consumer().start(script, {.death = {}, .stops = stops});
        expect_stopped();
        if (overtaken) {
            lap(1);
            consumer().resume();
            expect_stopped();
        }
    }
    void recover() override {
        lap(arena().lap());
        if (stopped_) {
            go_on();
        }
        if (running_) {
            running_ = false;
            expect(consumer().outcome() == Outcome::kDone, "a consumer stopped once more");
        }
        if (bystander() && bystander_pinned_) {
            bystander()->run({kRecheckIt, kReleaseIt});
        }
        bystander_pinned_ = true;
        refresh_to(consumer(), sequence());
    }
    void mourn(std::uint32_t steps) override {
        if (goes_on_ == GoesOn::kAtOnce || (goes_on_ == GoesOn::kByTurns && steps % 2 == 0)) {
            go_on();
            // A sleepy one may have nothing to wake up for before the next message.
            if (half_.approach != Approach::kSleepy) {
                running_ = false;
                expect(consumer().outcome() == Outcome::kDone, "a consumer stopped once more");
            }
        }
        if (bystander()) {
            bystander()->run({kRecheckIt});
        }
    }

  private:
    void expect_stopped() {
        stopped_ = true;
        expect(consumer().outcome() == Outcome::kStopped, "a consumer did not come to its stop");
    }
    void go_on() {
        stopped_ = false;
        running_ = true;
        consumer().resume();
    }

    Half half_;
    GoesOn goes_on_;
    bool stopped_ = false;
    bool running_ = false;
    bool bystander_pinned_ = false;
};

template <class Situation, class... Arguments>
MakeDrill drill(Arguments... arguments) {
    return [arguments...] { return std::make_unique<Situation>(arguments...); };
}

std::string in_group_of(std::uint32_t workers) {
    return std::to_string(workers) + " workers";
}

/// Fewest instructions that a publish can be thought to take, with all that is around it.
constexpr std::uint32_t kLeast = 40;

struct Operation {
    const char* name;
    Task task;
};
constexpr Operation kPublish{"publish", Task::kPublish};
constexpr Operation kLoan{"loan, publish", Task::kLoan};
constexpr Operation kReturn{"loan, given back", Task::kReturnLoan};

void drill_operation(Toll& toll, const Operation& operation, Scope scope) {
    const std::string name = operation.name;
    toll.begin(name + ", scanning", Toll::Unit::kInstruction, kLeast);
    explore(toll, "3 workers", drill<EachPinsItsOwn>(Work{operation.task, 3, 0}));
    if (scope == Scope::kFull) {
        explore(toll, "2 workers", drill<EachPinsItsOwn>(Work{operation.task, 2, 0}));
        explore(toll, "3 workers, slots to spare", drill<AllPinOne>(Work{operation.task, 3, 1}));
    }
    toll.end();
    toll.begin(name + ", slots known", Toll::Unit::kInstruction, kLeast);
    explore(toll, "3 workers", drill<AllPinOne>(Work{operation.task, 3, 0}));
    toll.end();
}

}  // namespace

void producer_drills(Toll& toll, Scope scope) {
    for (const Operation& operation : {kPublish, kLoan, kReturn}) {
        drill_operation(toll, operation, scope);
    }
    toll.begin("publish, consumers asleep", Toll::Unit::kInstruction, kLeast);
    explore(toll, "3 workers", drill<AllSleep>(Work{Task::kPublish, 3, 0}));
    if (scope == Scope::kFull) {
        explore(toll, "2 workers", drill<AllSleep>(Work{Task::kPublish, 2, 0}));
    }
    toll.end();
    toll.begin("publish, consumer half-way", Toll::Unit::kInstruction, kLeast);
    using GoesOn = ConsumerHalfway::GoesOn;
    for (const std::uint32_t workers : {2U, 3U}) {
        for (const Approach approach :
             {Approach::kUsual, Approach::kOvertaken, Approach::kSleepy}) {
            for (const Half& half : halves(workers, approach)) {
                const std::string where = in_group_of(workers) + ", " + to_string(half);
                const Work work{Task::kPublish, workers, 0};
                if (scope == Scope::kFull) {
                    explore(toll, where + ", goes on at once",
                            drill<ConsumerHalfway>(work, half, GoesOn::kAtOnce));
                    explore(toll, where + ", goes on after a lap",
                            drill<ConsumerHalfway>(work, half, GoesOn::kAfterLap));
                } else if (workers == 3) {
                    explore(toll, where, drill<ConsumerHalfway>(work, half, GoesOn::kByTurns), 7);
                }
            }
        }
    }
    toll.end();
}

}  // namespace shmipc::crash
