#include "changes.hpp"

namespace shmipc::ctl {

Change ChangeTracker::update(const WorkerReport& worker) {
    const auto [known, first_time] = known_.try_emplace(worker.index);
    Change change;
    if (first_time) {
        change.state = worker.state != "running";
        change.message = worker.written != 0;
    } else {
        change.from = known->second.state;
        change.state = worker.state != known->second.state;
        change.message = worker.written != known->second.written;
    }
    known->second = {worker.state, worker.written};
    return change;
}

std::string describe_state_change(const WorkerReport& worker, const Change& change) {
    std::string text = "worker " + std::to_string(worker.index) + ": " +
                       (change.from ? *change.from + " -> " : "") + worker.state;
    // Why it is where it is: of no interest once it is up again.
    const bool up = worker.state == "running" || worker.state == "starting";
    if (worker.last_exit && !up) {
        text += " (" + *worker.last_exit + ')';
    }
    return text;
}

}  // namespace shmipc::ctl
