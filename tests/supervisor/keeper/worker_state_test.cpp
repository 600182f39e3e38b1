#include "keeper/worker_state.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace shmipc::supervisor;

namespace {

std::string name_of(Action action) {
    switch (action) {
        case Action::kNone:
            return "";
        case Action::kLaunch:
            return " launch";
        case Action::kTerminate:
            return " terminate";
        case Action::kKill:
            return " kill";
        case Action::kAbort:
            return " abort";
        case Action::kCancelTimer:
            return " cancel";
        case Action::kForgetDeaths:
            return " forget";
        case Action::kConsultPolicy:
            return " consult";
        case Action::kRetryBusy:
            return " retry";
        case Action::kReportDeath:
            return " report";
        case Action::kReportExecFailure:
            return " report-exec";
    }
    return " ?";
}

std::string text_of(const Step& step) {
    std::string text(shmipc::supervisor::name_of(step.next));
    for (const Action action : step.actions) {
        text += name_of(action);
    }
    return text;
}

struct Row {
    State state;
    /// In the order of Event; "-": nothing happens.
    std::vector<std::string> steps;
};

// start, stop, restart, kill, toggle | ready, died, busy, exec failed, hung | start limit, backoff
// elapsed, grace elapsed, give up
const std::vector<Row> kTable{
    {State::kStopped,
     {"starting forget launch", "-", "starting forget launch", "-", "starting forget launch",  //
      "-", "-", "-", "-", "-",                                                                 //
      "-", "-", "-", "-"}},
    {State::kStarting,
     {"-", "stopping terminate", "restarting forget terminate", "stopping cancel kill",
      "stopping cancel kill",  //
      "running cancel", "backoff cancel consult", "backoff cancel retry",
      "failed cancel report-exec", "-",  //
      "aborting kill", "-", "-", "-"}},
    {State::kRunning,
     {"-", "stopping terminate", "restarting forget terminate", "stopping kill",
      "stopping kill",                                                                    //
      "-", "backoff consult", "backoff consult", "failed report-exec", "aborting abort",  //
      "-", "-", "-", "-"}},
    {State::kBackoff,
     {"starting forget launch", "stopped cancel", "starting forget launch", "stopped cancel",
      "stopped cancel",         //
      "-", "-", "-", "-", "-",  //
      "-", "starting launch", "-", "failed cancel"}},
    {State::kStopping,
     {"restarting forget", "-", "restarting forget", "stopping kill", "restarting forget",  //
      "-", "stopped cancel report", "stopped cancel report", "stopped cancel report", "-",  //
      "-", "-", "stopping kill", "-"}},
    {State::kRestarting,
     {"-", "stopping", "-", "stopping kill", "stopping kill",                                  //
      "-", "starting report launch", "starting report launch", "starting report launch", "-",  //
      "-", "-", "restarting kill", "-"}},
    {State::kAborting,
     {"restarting forget", "stopping", "restarting forget", "stopping kill", "stopping kill",  //
      "-", "backoff cancel consult", "backoff cancel consult", "failed cancel report-exec",
      "-",  //
      "-", "-", "aborting kill", "-"}},
    {State::kFailed,
     {"starting forget launch", "stopped", "starting forget launch", "stopped",
      "starting forget launch",  //
      "-", "-", "-", "-", "-",   //
      "-", "-", "-", "-"}},
};

bool has(const Step& step, Action action) {
    return step.actions[0] == action || step.actions[1] == action;
}

template <class Body>
void for_each_step(Body body) {
    for (std::size_t s = 0; s < kStates; ++s) {
        for (std::size_t e = 0; e < kEvents; ++e) {
            const auto state = static_cast<State>(s);
            const auto event = static_cast<Event>(e);
            CAPTURE(name_of(state));
            CAPTURE(name_of(event));
            body(state, event, step(state, event));
        }
    }
}

}  // namespace

TEST_CASE("every event in every state does what the table says") {
    REQUIRE(kTable.size() == kStates);
    std::size_t checked = 0;
    for (const Row& row : kTable) {
        REQUIRE(row.steps.size() == kEvents);
        for (std::size_t i = 0; i < kEvents; ++i) {
            const auto event = static_cast<Event>(i);
            CAPTURE(name_of(row.state));
            CAPTURE(name_of(event));
            const std::string expected =
                row.steps[i] == "-" ? std::string(name_of(row.state)) : row.steps[i];
            CHECK(text_of(step(row.state, event)) == expected);
            ++checked;
        }
    }
    CHECK(checked == kStates * kEvents);
}

TEST_CASE("whatever the state, a stop or a kill leads to a worker that stays down") {
    for_each_step([](State, Event event, const Step& result) {
        if (event == Event::kStop || event == Event::kKill) {
            CHECK((result.next == State::kStopped || result.next == State::kStopping));
        }
    });
}

TEST_CASE("the end of a process never leaves a state that waits for a process") {
    for_each_step([](State, Event event, const Step& result) {
        if (event == Event::kDied || event == Event::kBusy || event == Event::kExecFailed) {
            CHECK((result.next != State::kStarting || has(result, Action::kLaunch)));
            CHECK(result.next != State::kAborting);
            CHECK(result.next != State::kRunning);
            CHECK(result.next != State::kStopping);
            CHECK(result.next != State::kRestarting);
        }
    });
}

TEST_CASE("a worker is launched only where there is no process") {
    for_each_step([](State state, Event event, const Step& result) {
        if (has(result, Action::kLaunch)) {
            const bool ended =
                event == Event::kDied || event == Event::kBusy || event == Event::kExecFailed;
            CHECK((state == State::kStopped || state == State::kBackoff ||
                   state == State::kFailed || (state == State::kRestarting && ended)));
            CHECK(result.next == State::kStarting);
        } else if (state != State::kStarting) {
            CHECK(result.next != State::kStarting);
        }
    });
}

TEST_CASE("an operator's stop beats a pending restart") {
    WorkerMachine machine;
    machine.order(Event::kStart);
    machine.observe(Event::kDied, 1);
    REQUIRE(machine.state() == State::kBackoff);
    machine.order(Event::kStop);
    CHECK(machine.state() == State::kStopped);
    // The timer had elapsed already, and its event was on the way.
    CHECK(machine.observe(Event::kBackoffElapsed, 1) == Step{State::kStopped, {}});
    CHECK(machine.launch() == 1);
}

TEST_CASE("what an earlier launch tells is dropped in every state") {
    for (std::size_t e = 0; e < kEvents; ++e) {
        const auto event = static_cast<Event>(e);
        CAPTURE(name_of(event));
        WorkerMachine machine;
        machine.order(Event::kStart);
        machine.observe(Event::kDied, 1);
        machine.observe(Event::kBackoffElapsed, 1);
        REQUIRE(machine.launch() == 2);
        REQUIRE(machine.state() == State::kStarting);
        for (const std::uint64_t launch : {0U, 1U, 3U}) {
            CHECK(machine.observe(event, launch) == Step{State::kStarting, {}});
        }
        machine.observe(Event::kReady, 2);
        CHECK(machine.observe(event, 1) == Step{State::kRunning, {}});
    }
}

TEST_CASE("a restart by order starts again at once, and is no death for the policy") {
    WorkerMachine machine;
    machine.order(Event::kStart);
    machine.observe(Event::kReady, 1);
    CHECK(has(machine.order(Event::kRestart), Action::kForgetDeaths));
    const Step ended = machine.observe(Event::kDied, 1);
    CHECK(ended == Step{State::kStarting, {Action::kReportDeath, Action::kLaunch}});
    CHECK(machine.launch() == 2);
}

TEST_CASE("the death of a worker that hung counts, and an operator's stop beats its restart") {
    WorkerMachine machine;
    machine.order(Event::kStart);
    machine.observe(Event::kReady, 1);
    CHECK(has(machine.observe(Event::kHung, 1), Action::kAbort));
    WorkerMachine stopped = machine;
    CHECK(has(machine.observe(Event::kDied, 1), Action::kConsultPolicy));
    stopped.order(Event::kStop);
    stopped.observe(Event::kDied, 1);
    CHECK(stopped.state() == State::kStopped);
}

TEST_CASE("toggling a dying worker brings it back, and toggling again keeps it down") {
    WorkerMachine machine;
    machine.order(Event::kStart);
    machine.observe(Event::kReady, 1);
    machine.order(Event::kToggle);
    CHECK(machine.state() == State::kStopping);
    machine.order(Event::kToggle);
    CHECK(machine.state() == State::kRestarting);
    machine.order(Event::kToggle);
    CHECK(machine.state() == State::kStopping);
    machine.observe(Event::kDied, 1);
    CHECK(machine.state() == State::kStopped);
}

TEST_CASE("a step is whole before what comes of it begins: only its last action may tell") {
    for (std::size_t s = 0; s < kStates; ++s) {
        for (std::size_t e = 0; e < kEvents; ++e) {
            const Step taken = step(static_cast<State>(s), static_cast<Event>(e));
            CAPTURE(name_of(static_cast<State>(s)));
            CAPTURE(name_of(static_cast<Event>(e)));
            if (tells(taken.actions[0])) {
                CHECK(taken.actions[1] == Action::kNone);
            }
        }
    }
}
