#include "order_wait.hpp"

#include "description.hpp"
#include "errors.hpp"
#include "keeper/certificate.hpp"

#include <string>
#include <utility>

namespace shmipc::supervisor {
namespace {

std::string reason_for(const Supervisor& supervisor, WorkerIndex worker) {
    const Certificate* const death = supervisor.deaths(worker).last_death();
    if (death == nullptr) {
        return std::string(name_of(supervisor.state(worker)));
    }
    return how_it_ended(*death) + "; " + death->consequence;
}

}  // namespace

OrderOutcome outcome_of(Event order, State state, bool launched) noexcept {
    if (order == Event::kStop) {
        switch (state) {
            case State::kStopped:
                return OrderOutcome::kDone;
            case State::kStopping:
                return OrderOutcome::kPending;
            default:
                return OrderOutcome::kOverridden;
        }
    }
    if (order != Event::kStart && order != Event::kRestart) {
        return OrderOutcome::kDone;
    }
    switch (state) {
        case State::kRunning:
            // A start of what runs already asks for nothing; a restart asks for another process.
            return order == Event::kStart || launched ? OrderOutcome::kDone
                                                      : OrderOutcome::kPending;
        case State::kStarting:
        case State::kRestarting:
            return OrderOutcome::kPending;
        case State::kBackoff:
        case State::kAborting:
        case State::kFailed:
            return OrderOutcome::kFailed;
        case State::kStopped:
        case State::kStopping:
            break;
    }
    return OrderOutcome::kOverridden;
}

OrderWait::OrderWait(std::shared_ptr<varlink::Call> call, Event order, std::vector<Target> targets)
    : call_(std::move(call)), order_(order), targets_(std::move(targets)) {}

bool OrderWait::settle(const Supervisor& supervisor) {
    if (!call_->open()) {
        return true;
    }
    if (!supervisor.takes_orders()) {
        fail(*call_, "Stopping");
        return true;
    }
    std::vector<Target> pending;
    for (const Target& target : targets_) {
        const State state = supervisor.state(target.worker);
        const bool launched = supervisor.launch_number(target.worker) != target.launch_before;
        switch (outcome_of(order_, state, launched)) {
            case OrderOutcome::kDone:
                if (order_ == Event::kStop && !supervisor.left_behind(target.worker).empty()) {
                    fail(*call_, "WorkerFailed",
                         {{"worker", to_number(target.worker)},
                          {"reason", "it has been stopped, but something of it is left: " +
                                         supervisor.left_behind(target.worker)}});
                    return true;
                }
                break;
            case OrderOutcome::kPending:
                pending.push_back(target);
                break;
            case OrderOutcome::kFailed:
                fail(*call_, "WorkerFailed",
                     {{"worker", to_number(target.worker)},
                      {"reason", reason_for(supervisor, target.worker)}});
                return true;
            case OrderOutcome::kOverridden:
                fail(*call_, "Overridden",
                     {{"worker", to_number(target.worker)}, {"state", name_of(state)}});
                return true;
        }
    }
    targets_ = std::move(pending);
    if (targets_.empty()) {
        call_->reply({});
        return true;
    }
    return false;
}

}  // namespace shmipc::supervisor
