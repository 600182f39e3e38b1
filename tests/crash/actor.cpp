#include "actor.hpp"

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace shmipc::crash {

namespace {

struct Pair {
    os::Fd mine;
    os::Fd its;
};

Pair socket_pair() {
    std::array<int, 2> ends{};
    os::require("cannot make a socket",
                [&] { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()); });
    return {os::Fd(ends[0]), os::Fd(ends[1])};
}

Child start_worker(Arena& arena, WorkerIndex index, Page& page, Pair& pair) {
    Child child([&arena, index, &page, &pair] {
        pair.mine.reset();
        return act(arena.config(), index, page, pair.its.get());
    });
    // Only the worker has its end from here on, so that its death closes the socket.
    pair.its.reset();
    return child;
}

}  // namespace

Script publish(std::uint32_t count) {
    Script script;
    for (std::uint32_t i = 0; i < count; ++i) {
        script.push_back({.op = i % 2 == 0 ? Op::kPublish : Op::kLoan});
    }
    return script;
}

Script refresh(WorkerIndex channel) {
    return {{.op = Op::kAcquire, .channel = channel}, {.op = Op::kRelease, .channel = channel}};
}

Actor::Actor(Arena& arena, WorkerIndex index) : Actor(arena, index, Plan{}) {
    expect(outcome() == Outcome::kDone, "a worker without a plan did not attach");
}

Actor::Actor(Arena& arena, WorkerIndex index, const Plan& plan)
    : arena_(&arena), index_(index), child_([&] {
          arm(plan);
          Pair pair = socket_pair();
          Child child = start_worker(arena, index, *page_, pair);
          socket_ = std::move(pair.mine);
          return child;
      }()) {}

void Actor::arm(const Plan& plan) {
    page_->occurrences = {};
    page_->steps = 0;
    page_->death = plan.death;
    page_->stops = {};
    expect(plan.stops.size() <= Page::kStops, "a plan has too many stops");
    std::copy(plan.stops.begin(), plan.stops.end(), page_->stops.begin());
    page_->armed = true;
}

void Actor::start(const Script& script, const Plan& plan) {
    arm(plan);
    wire::Orders orders;
    expect(script.size() <= orders.commands.size(), "a script is too long");
    orders.count = static_cast<std::uint32_t>(script.size());
    std::copy(script.begin(), script.end(), orders.commands.begin());
    os::require("cannot send a script",
                [&] { return send(socket_.get(), &orders, sizeof orders, MSG_NOSIGNAL); });
}

Outcome Actor::outcome(std::chrono::milliseconds patience) {
    const std::string me = "worker " + std::to_string(to_number(index_));
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    const int polled = os::require("cannot wait for a worker", [&] {
        return poll(&ready, 1, static_cast<int>(patience.count()));
    });
    expect(polled == 1, me + " hangs: last seen at " + to_string(page_->last()));
    wire::Answer answer;
    const auto got = os::retry([&] { return recv(socket_.get(), &answer, sizeof answer, 0); });
    if (got != static_cast<ssize_t>(sizeof answer)) {
        const auto status = child_.reap(kPatience);
        expect(status.has_value(), me + " closed its socket and goes on");
        const bool planned = page_->death.occurrence != 0 && page_->last() == page_->death;
        expect(planned && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL,
               me + " died at " + to_string(page_->last()) + ", " + describe_status(*status) +
                   ", where it should not");
        return Outcome::kDied;
    }
    expect(answer.kind != wire::Kind::kFault, me + ": " + answer.text.data());
    if (answer.kind == wire::Kind::kStopped) {
        return Outcome::kStopped;
    }
    page_->armed = false;
    if (answer.kind == wire::Kind::kAttached) {
        reclaimed_.assign(answer.reclaimed.begin(), answer.reclaimed.begin() + answer.pins);
    }
    return Outcome::kDone;
}

void Actor::resume() {
    os::require("cannot let a worker go on",
                [&] { return send(socket_.get(), &wire::kGoOn, 1, MSG_NOSIGNAL); });
}

void Actor::run(const Script& script) {
    start(script);
    expect(outcome() == Outcome::kDone, "a worker without a plan did not run its script");
}

bool Actor::falls_asleep() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    // The page is read while the worker writes it, which is good enough for looking again.
    const volatile std::uint32_t& calls =
        page_->occurrences[static_cast<std::size_t>(protocol::Step::kSleepCall)];
    while (calls == 0 || !child_.asleep()) {
        pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        if (os::require("cannot look after a worker", [&] { return poll(&ready, 1, 0); }) == 1) {
            return false;
        }
        expect(std::chrono::steady_clock::now() < deadline, "a worker neither sleeps nor ends");
        std::this_thread::sleep_for(std::chrono::microseconds{50});
    }
    return true;
}

void Actor::freeze() {
    child_.send(SIGSTOP);
    siginfo_t info{};
    os::require("cannot wait until a worker has stopped", [&] {
        return waitid(P_PID, static_cast<id_t>(child_.pid()), &info, WSTOPPED | WEXITED | WNOWAIT);
    });
    expect(info.si_code == CLD_STOPPED, "a worker has ended where it was to stop");
}

void Actor::thaw() {
    child_.send(SIGCONT);
}

void Actor::murder() {
    child_.send(SIGKILL);
    expect(child_.reap(kPatience).has_value(), "a killed worker does not end");
}

void Actor::leave() {
    // Not only closed: workers that were forked later have a copy of it.
    shutdown(socket_.get(), SHUT_RDWR);
    const auto status = child_.reap(kPatience);
    const std::string me = "worker " + std::to_string(to_number(index_));
    expect(status.has_value(), me + " does not leave");
    expect(WIFEXITED(*status) && WEXITSTATUS(*status) == 0,
           me + " did not leave in order: " + describe_status(*status));
    expect(arena_->pins_of(index_) == 0, "leaked pin: " + me + " left one behind");
}

}  // namespace shmipc::crash
