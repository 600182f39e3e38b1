// The part of Control that orders: everything that changes something is checked, announced in the
// log with who wants it, and carried out.
#include "base/log.hpp"
#include "control.hpp"
#include "errors.hpp"
#include "shared/text.hpp"

#include <boost/json/array.hpp>

#include <csignal>
#include <cstdint>
#include <utility>

namespace shmipc::supervisor {
namespace {

namespace json = boost::json;

std::string text_of(const std::vector<WorkerIndex>& workers, std::size_t all) {
    return workers.size() == all ? "all workers" : name_workers(workers);
}

}  // namespace

std::optional<std::vector<WorkerIndex>> Control::workers_of(const CallPtr& call,
                                                            varlink::Parameters& parameters) const {
    const std::uint32_t workers = surroundings_.supervisor.config().group.workers;
    const std::vector<std::int64_t> named =
        parameters.integers("workers").value_or(std::vector<std::int64_t>{});
    std::vector<bool> wanted(workers, named.empty());
    for (const std::int64_t number : named) {
        if (number < 0 || number >= std::int64_t{workers}) {
            fail(*call, "NoSuchWorker", {{"worker", number}, {"workers", workers}});
            return std::nullopt;
        }
        wanted[static_cast<std::size_t>(number)] = true;
    }
    std::vector<WorkerIndex> result;
    for (std::uint32_t i = 0; i < workers; ++i) {
        if (wanted[i]) {
            result.push_back(WorkerIndex{i});
        }
    }
    return result;
}

bool Control::takes_orders(const CallPtr& call) const {
    if (!surroundings_.supervisor.takes_orders()) {
        fail(*call, "Stopping");
        return false;
    }
    return true;
}

void Control::announce(const CallPtr& call, const std::string& what) const {
    const varlink::Peer& peer = call->peer();
    log::log(log::Level::kInfo, log::Event::kOrder,
             what + ", ordered by uid " + std::to_string(peer.uid) + " (pid " +
                 std::to_string(peer.pid) + ")",
             {{"SHMIPC_PEER_UID", peer.uid}, {"SHMIPC_PEER_PID", peer.pid}});
}

void Control::order(const CallPtr& call, Event event) {
    varlink::Parameters parameters(call->parameters());
    if (event == Event::kToggle &&
        parameters.integers("workers").value_or(std::vector<std::int64_t>{}).empty()) {
        // What toggles everybody is nobody's intention.
        throw varlink::InvalidParameter("workers");
    }
    const bool wait = event != Event::kToggle && parameters.boolean("wait").value_or(true);
    const auto workers = workers_of(call, parameters);
    parameters.finish();
    if (!workers || !takes_orders(call)) {
        return;
    }
    Supervisor& supervisor = surroundings_.supervisor;
    announce(call, std::string(name_of(event)) + " " +
                       text_of(*workers, supervisor.config().group.workers));
    std::vector<OrderWait::Target> targets;
    for (const WorkerIndex worker : *workers) {
        targets.push_back({.worker = worker, .launch_before = supervisor.launch_number(worker)});
        supervisor.order(worker, event);
    }
    OrderWait pending(call, event, std::move(targets));
    if (!wait) {
        call->reply({});
    } else if (!pending.settle(supervisor)) {
        // Clients that come, order, and go must not pile up until a worker's state changes.
        waits_.remove_if([](const OrderWait& other) { return !other.open(); });
        waits_.push_back(std::move(pending));
    }
}

void Control::kill(const CallPtr& call) {
    if (!may_order(call)) {
        return;
    }
    varlink::Parameters parameters(call->parameters());
    const std::int64_t signal = parameters.integer("signal").value_or(SIGKILL);
    const auto workers = workers_of(call, parameters);
    parameters.finish();
    if (!workers || !takes_orders(call)) {
        return;
    }
    // 32 and 33 are the C library's own.
    if (signal < 1 || signal >= NSIG || signal == 32 || signal == 33) {
        fail(*call, "NoSuchSignal", {{"signal", signal}});
        return;
    }
    const GroupReport& group = surroundings_.supervisor.report();
    for (const WorkerIndex worker : *workers) {
        if (!group.workers[to_number(worker)].pid) {
            fail(*call, "NotRunning", {{"worker", to_number(worker)}});
            return;
        }
    }
    announce(call, "signal " + std::to_string(signal) + " to " +
                       text_of(*workers, surroundings_.supervisor.config().group.workers));
    for (const WorkerIndex worker : *workers) {
        surroundings_.supervisor.signal(worker, static_cast<int>(signal));
    }
    call->reply({});
}

void Control::reload(const CallPtr& call) {
    if (!may_order(call)) {
        return;
    }
    varlink::Parameters(call->parameters()).finish();
    if (!takes_orders(call)) {
        return;
    }
    if (surroundings_.reloader.running()) {
        fail(*call, "ReloadInProgress");
        return;
    }
    announce(call, "reload");
    surroundings_.reloader.start([call](const Reloader::Outcome& outcome) {
        using Kind = Reloader::Outcome::Kind;
        json::array rolled;
        for (const WorkerIndex worker : outcome.rolled) {
            rolled.push_back(to_number(worker));
        }
        if (outcome.kind == Kind::kConfigInvalid) {
            fail(*call, "ConfigInvalid", {{"reason", outcome.reason}});
        } else if (outcome.kind == Kind::kStopped) {
            fail(*call, "Stopping");
        } else if (outcome.kind == Kind::kRolloutFailed) {
            fail(*call, "RolloutFailed",
                 {{"worker", to_number(outcome.worker)},
                  {"reason", outcome.reason},
                  {"rolled", std::move(rolled)},
                  {"rolled_back", outcome.rolled_back}});
        } else {
            const auto& changes = outcome.changes;
            call->reply(
                {{"applied", json::array(changes.applied.begin(), changes.applied.end())},
                 {"rolled", std::move(rolled)},
                 {"needs_restart",
                  json::array(changes.needs_restart.begin(), changes.needs_restart.end())},
                 {"warnings", json::array(outcome.warnings.begin(), outcome.warnings.end())}});
        }
    });
}

}  // namespace shmipc::supervisor
