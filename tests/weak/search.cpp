#include "search.hpp"

namespace shmipc::test::weak {

using protocol::Step;

Search::Search(Scenario& scenario, const Mutation* mutation, bool prune)
    : scenario_(scenario),
      mutation_(mutation),
      prune_(prune),
      memory_(chooser_, scenario.bounds().actors) {
    scenario_.declare(memory_);
}

void Search::run() {
    do {
        run_once();
        ++runs_;
    } while (violation_.empty() && chooser_.next());
}

void Search::run_once() {
    scenario_.reset();
    memory_.begin();
    histories_.fill(0);
    asleep_.fill(false);
    operations_.fill(0);
    deaths_ = scenario_.bounds().deaths;
    known_ = false;
    for (unsigned actor = 0; actor < scenario_.bounds().actors; ++actor) {
        start(actor);
    }
    unsigned running = decide(kNobody);
    while (running != kNobody) {
        fibers_[running].resume();
        if (!violation_.empty() || known_) {
            return;
        }
        if (dying_) {
            dying_ = false;
            memory_.conceal();
            memory_.replace(running);
            start(running);
        } else {
            running = ready(running) ? next_ : decide(kNobody);
        }
    }
    if (!known_) {
        ends_.insert(state());
        scenario_.finish(*this);
    }
}

void Search::start(unsigned actor) {
    fibers_[actor].start([this, actor] {
        note(actor, 1);
        scenario_.act(*this, actor);
        note(actor, 2);
    });
}

std::uint64_t Search::state() const noexcept {
    std::uint64_t hash = mix(memory_.hash(), deaths_);
    for (unsigned actor = 0; actor < scenario_.bounds().actors; ++actor) {
        hash = mix(mix(hash, histories_[actor]), asleep_[actor] ? 1 : 0);
    }
    return hash;
}

/// Who goes on, where `current` could, unless it is nobody.
unsigned Search::decide(unsigned current) {
    if (prune_ && !chooser_.replaying() && !visited_.insert(state()).second) {
        known_ = true;
        return kNobody;
    }
    std::array<unsigned, kMaxActors> options{};
    unsigned count = 0;
    if (current != kNobody) {
        options[count++] = current;
    }
    for (unsigned actor = 0; actor < scenario_.bounds().actors; ++actor) {
        if (actor != current && ready(actor)) {
            options[count++] = actor;
        }
    }
    if (count == 0) {
        return kNobody;
    }
    const bool may_die = current != kNobody && mortal(current);
    const unsigned all = count + (may_die ? 1U : 0U);
    const unsigned choice = all == 1 ? 0 : chooser_.choose(all);
    if (choice == count) {
        --deaths_;
        dying_ = true;
        return current;
    }
    return options[choice];
}

void Search::point(unsigned actor) {
    next_ = decide(actor);
    if (next_ != actor || dying_) {
        // For good where the actor dies, or the run ends.
        fibers_[actor].pause();
    }
    note(actor, 3);
}

void Search::sleep(unsigned actor) {
    asleep_[actor] = true;
    note(actor, 4);
    fibers_[actor].pause();
    note(actor, 5);
}

void Search::require(unsigned actor, bool holds, const char* what) {
    if (holds) {
        return;
    }
    violation_ = what;
    if (actor != kNobody) {
        fibers_[actor].pause();  // for good
    }
}

/// Steps at which to let others go on changes nothing that matters. Loads and stores of one's own
/// word; fences that order what this actor does and no more; and the stores of (7), since a load
/// of another actor that would come before one of them may still read the older value after it. The
/// words of (7) are subject to no RMW and to no sequentially consistent load.
bool Search::quiet(unsigned actor, Step step) const noexcept {
    switch (step) {
        case Step::kScanCurrent:
        case Step::kVerify:
        case Step::kCopyFence:
            return true;
        case Step::kWriteBegin:
        case Step::kWriteFence:
        case Step::kWriteHeader:
        case Step::kWritePayload:
        case Step::kWriteSequence:
            return !mortal(actor);
        default:
            return false;
    }
}

void Search::before(unsigned actor, Step step) {
    if (!quiet(actor, step)) {
        point(actor);
    }
    memory_.conceal();
    ++operations_[actor];
    note(actor, static_cast<std::uint64_t>(step));
}

std::uint64_t Search::load(unsigned actor, Step step, const void* word, std::memory_order order) {
    before(actor, step);
    const std::uint64_t value =
        memory_.load(actor, word, order_of({step, Operation::kLoad, order}));
    note(actor, value);
    scenario_.after(*this, actor, step, word, value);
    return value;
}

void Search::store(unsigned actor, Step step, const void* word, std::uint64_t value,
                   std::memory_order order) {
    before(actor, step);
    memory_.store(actor, word, value, order_of({step, Operation::kStore, order}));
}

std::uint64_t Search::exchange(unsigned actor, Step step, const void* word, std::uint64_t value,
                               std::memory_order order) {
    before(actor, step);
    const std::uint64_t found =
        memory_.exchange(actor, word, value, order_of({step, Operation::kExchange, order}));
    note(actor, found);
    return found;
}

bool Search::compare_exchange(unsigned actor, Step step, const void* word, std::uint64_t& expected,
                              std::uint64_t desired, std::memory_order success,
                              std::memory_order failure) {
    before(actor, step);
    const Use succeeds{step, Operation::kCompareExchange, success};
    const Use fails{step, Operation::kCompareFailure, failure};
    const bool done = memory_.compare_exchange(actor, word, expected, desired, weakened(succeeds),
                                               weakened(fails));
    record_.add(done ? succeeds : fails);
    note(actor, expected);
    if (!done) {
        scenario_.after(*this, actor, step, word, expected);
    }
    return done;
}

std::uint64_t Search::fetch_or(unsigned actor, Step step, const void* word, std::uint64_t bits,
                               std::memory_order order) {
    before(actor, step);
    const std::uint64_t found =
        memory_.fetch_or(actor, word, bits, order_of({step, Operation::kFetchOr, order}));
    note(actor, found);
    return found;
}

std::uint64_t Search::fetch_add(unsigned actor, Step step, const void* word, std::uint64_t value,
                                std::memory_order order) {
    before(actor, step);
    const std::uint64_t found =
        memory_.fetch_add(actor, word, value, order_of({step, Operation::kFetchAdd, order}));
    note(actor, found);
    return found;
}

void Search::fence(unsigned actor, Step step, std::memory_order order) {
    before(actor, step);
    memory_.fence(actor, order_of({step, Operation::kFence, order}));
}

void Search::mark(unsigned actor, Step step) {
    before(actor, step);
    if (step == Step::kSleepBarrier &&
        order_of({step, Operation::kBarrier, std::memory_order_seq_cst}) ==
            std::memory_order_seq_cst) {
        memory_.fence_all(actor);
    }
    scenario_.after(*this, actor, step, nullptr, 0);
}

void Search::read_block(unsigned actor, std::size_t block) {
    require(actor, memory_.read_block(actor, block), "a data race: payload read");
}

void Search::write_block(unsigned actor, std::size_t block) {
    require(actor, memory_.write_block(actor, block), "a data race: payload written");
}

std::uint64_t Search::expose(unsigned actor, const void* word) {
    const std::uint64_t value = memory_.expose(actor, word);
    note(actor, value);
    return value;
}

void Search::store(unsigned actor, const void* word, std::uint64_t value) {
    memory_.conceal();
    memory_.store(actor, word, value, std::memory_order_relaxed);
    note(actor, value);
}

}  // namespace shmipc::test::weak
