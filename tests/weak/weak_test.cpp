// The protocol on a weak memory: as it is nothing is violated, and with any one order weaker
// something is, unless there is a reason why not.
#include "mutation.hpp"
#include "scenarios.hpp"
#include "search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::test::weak {
namespace {

using protocol::Step;

/// An order that could be weaker, all others being as they are, and why. The reasons hold by the
/// standard, so also for what the model leaves out. It stands for the orders between the two as
/// well.
struct Explained {
    Step step;
    Operation operation;
    std::memory_order weaker;
    const char* why;
    [[nodiscard]] bool covers(const Mutation& mutation) const noexcept {
        return step == mutation.use.step && operation == mutation.use.operation &&
               no_stronger(weaker, mutation.weaker);
    }
};
constexpr std::array kExplained{
    Explained{
        Step::kHoldPending, Operation::kCompareExchange, std::memory_order_relaxed,
        "what it finds is this consumer's own, (4) has acquired the message, and as an RMW it "
        "continues the release sequence of (3)"},
    Explained{Step::kReclaim, Operation::kExchange, std::memory_order_release,
              "inspect() has acquired all that is read; after it nothing of the dead one's is"},
    Explained{Step::kScanCurrent, Operation::kLoad, std::memory_order_relaxed,
              "the identity lock, which the dead one had, orders it before its successor"},
    Explained{Step::kHelp, Operation::kCompareExchange, std::memory_order_acquire,
              "the fence of (6) is a release fence too, and comes after the message's (8)"},
    Explained{Step::kWriteSequence, Operation::kStore, std::memory_order_relaxed,
              "who uses it has acquired the (8) that names it"},
    Explained{Step::kWakeLook, Operation::kLoad, std::memory_order_relaxed,
              "the exchange that clears the flag acquires it, before the bits are taken"},
    Explained{Step::kWakeClear, Operation::kExchange, std::memory_order_relaxed,
              "the load before it has acquired the flag; and of a flag set since: were its bit set "
              "after the taking, the fetch-or would acquire that, and the flag come later"},
    Explained{Step::kWakeTake, Operation::kExchange, std::memory_order_relaxed,
              "the clearing before it has acquired each flag that it clears, and so the bit"},
    Explained{Step::kSleepEnter, Operation::kFetchOr, std::memory_order_relaxed,
              "the flag's exchange releases it, and is acquired before the bits are taken"},
    Explained{Step::kSleepFlag, Operation::kExchange, std::memory_order_relaxed,
              "were its bit set after the taking, the fetch-or would acquire that, and the flag "
              "come later than who has seen it"},
    Explained{Step::kCopyBefore, Operation::kLoad, std::memory_order_relaxed,
              "the load of `current` before it has acquired the (8) that names it"},
};

std::vector<std::unique_ptr<Scenario>> all_scenarios() {
    std::vector<std::unique_ptr<Scenario>> all;
    for (auto* const some : {&pin_scenarios, &copy_scenarios, &sleep_scenarios}) {
        auto scenarios = some();
        std::move(scenarios.begin(), scenarios.end(), std::back_inserter(all));
    }
    return all;
}

/// A scenario, and what came of it with the right orders.
struct Clean {
    std::unique_ptr<Scenario> scenario;
    std::string violation;
    std::uint64_t runs = 0;
    std::uint64_t states = 0;
    Record record;
};

/// The long ones, or all others.
std::vector<Clean> run_clean(bool long_ones) {
    std::vector<Clean> all;
    for (auto& scenario : all_scenarios()) {
        if (scenario->bounds().long_search == long_ones) {
            Search search(*scenario);
            search.run();
            all.push_back({std::move(scenario), search.violation(), search.runs(), search.states(),
                           search.record()});
        }
    }
    return all;
}
const std::vector<Clean>& clean() {
    static const std::vector<Clean> all = run_clean(false);
    return all;
}
std::string check(const std::vector<Clean>& all) {
    std::ostringstream text;
    for (const Clean& one : all) {
        CHECK_MESSAGE(one.violation.empty(), one.scenario->name(), ": ", one.violation, ", in run ",
                      one.runs);
        text << "weak: " << one.scenario->name() << ": " << one.runs << " executions, "
             << one.states << " states\n";
    }
    return text.str();
}
Record whole_record() {
    Record record;
    for (const Clean& one : clean()) {
        record.add(one.record);
    }
    return record;
}

/// Who finds a mutation, and by what; empty if nobody does.
std::string killer(const Mutation& mutation) {
    for (const Clean& one : clean()) {
        // Where the operation never runs its order makes no difference.
        if (one.record.has(mutation.use)) {
            Search search(*one.scenario, &mutation);
            search.run();
            if (!search.violation().empty()) {
                return one.scenario->name() + " (" + search.violation() + ')';
            }
        }
    }
    return {};
}

}  // namespace

TEST_CASE("a search that ends runs at known states comes to the same ends as one that does not") {
    for (auto* const some : {&pin_scenarios, &copy_scenarios, &sleep_scenarios}) {
        const auto small = std::move(some().front());
        Search pruned(*small);
        pruned.run();
        Search whole(*small, nullptr, false);
        whole.run();
        CHECK(pruned.ends() == whole.ends());
        CHECK(pruned.runs() < whole.runs());
        CHECK(pruned.ends().size() > 1);
    }
}

TEST_CASE("under all schedules and all old values of a weak memory nothing is violated") {
    const std::string text = check(clean());
    const Record record = whole_record();
    for (const Step step : ordered_steps()) {
        CHECK_MESSAGE(record.has(step), "never run: step ", static_cast<unsigned>(step));
    }
    MESSAGE(text);
}

TEST_CASE("nor in the long scenarios" * doctest::skip()) {
    const std::vector<Clean> all = run_clean(true);
    CHECK_FALSE(all.empty());
    MESSAGE(check(all));
}

TEST_CASE("any one order that is weaker is found out, or could be weaker for a reason") {
    std::ostringstream text;
    std::size_t mutations = 0;
    std::size_t killed = 0;
    std::size_t explanations = 0;
    for (const Use& use : whole_record().uses()) {
        std::vector<std::memory_order> surviving;
        for (const std::memory_order weaker : weaker_orders(use)) {
            const Mutation mutation{use, weaker};
            ++mutations;
            text << "weak: " << to_string(mutation) << ": ";
            const auto* const reason =
                std::find_if(kExplained.begin(), kExplained.end(),
                             [&](const Explained& one) { return one.covers(mutation); });
            // What a weaker one permits includes all that this one does.
            if (std::any_of(surviving.begin(), surviving.end(),
                            [&](std::memory_order one) { return no_stronger(one, weaker); })) {
                text << "survives, since a weaker one does\n";
                continue;
            }
            const std::string by = killer(mutation);
            if (!by.empty()) {
                ++killed;
                text << "killed by " << by << '\n';
                CHECK_MESSAGE(reason == kExplained.end(), to_string(mutation),
                              ": explained, but killed by ", by);
                continue;
            }
            surviving.push_back(weaker);
            CHECK_MESSAGE(reason != kExplained.end(), to_string(mutation), ": survives");
            const bool explained = reason != kExplained.end();
            explanations += explained && reason->weaker == weaker ? 1 : 0;
            text << "survives: " << (explained ? reason->why : "nobody knows why") << '\n';
        }
    }
    // None of them is about an operation that there is not.
    CHECK(explanations == kExplained.size());
    CHECK(killed > 0);
    text << "weak: " << mutations << " mutations, " << killed << " killed";
    MESSAGE(text.str());
}

}  // namespace shmipc::test::weak
