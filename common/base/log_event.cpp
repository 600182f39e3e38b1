// The kinds of events: their names and their permanent MESSAGE_IDs. The catalog (systemd/) and
// shmipc-journal(7) repeat both; a test compares.
#include "log.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace shmipc::log {
namespace {

struct Kind {
    Event event;
    std::string_view name;
    std::string_view id;  ///< made once by journalctl --new-id128, and never changed
};

constexpr auto kKinds = std::to_array<Kind>({
    {Event::kMessage, "message", ""},
    {Event::kWorkerAttached, "worker_attached", "b135b83dbf964d5080b72aebd3b162ab"},
    {Event::kWorkerWaiting, "worker_waiting", "9b36730cde1b4c4fa68542a30d1b694c"},
    {Event::kWorkerReady, "worker_ready", "1412a76b86a7403babbc66297a0120b9"},
    {Event::kWorkerStopped, "worker_stopped", "2b576bd2eef04f1e8c1c13cceaa5db62"},
    {Event::kPinReclaimed, "pin_reclaimed", "64656b039d0c41d8bc312f45498677dc"},
    {Event::kPinsReclaimed, "pins_reclaimed", "b672d915d4f54028b7f628172f7c2216"},
    {Event::kObjectNameLost, "object_name_lost", "26a217169b1b45158c63fad1c2251dec"},
    {Event::kExchange, "exchange", "e0cd517dfea2463c8f923f0c7cdbcb00"},
    {Event::kWorkerStarted, "worker_started", "4869cc0b850e479591da3ba20289620c"},
    {Event::kWorkerExited, "worker_exited", "414e79fcf5ac46168db8835b6b01e078"},
    {Event::kWorkerRestarting, "worker_restarting", "68604175d01646fd915285918efd15d1"},
    {Event::kWorkerFailed, "worker_failed", "2c883eacbc6646ac84f7a0c28339a13d"},
    {Event::kWorkerExecFailed, "worker_exec_failed", "3d79ae999e574822bd152b561cf49eae"},
    {Event::kWorkerKilled, "worker_killed", "ce5e047616444dce8f070432772c9775"},
    {Event::kWorkerHung, "worker_hung", "70f6f51b8191448284731b2b84ffed78"},
    {Event::kWorkerSlow, "worker_slow", "db205f87cb084fa4b96de9eea95b87bd"},
    {Event::kWorkerRecovered, "worker_recovered", "732ea9f2f5f84683b15513d547f68a94"},
    {Event::kWorkerSignalled, "worker_signalled", "26733f0fa3b6486396393abfcd205d4a"},
    {Event::kWorkerReadyAgain, "worker_ready_again", "abf0be4bfbf24deda25c5f8d36e48c4c"},
    {Event::kGroupCreated, "group_created", "2058914e5b724ed29b9b60b51b14a682"},
    {Event::kGroupRemoved, "group_removed", "8465c64b1e614fae8c7bab77131b3b94"},
    {Event::kSupervisorStarting, "supervisor_starting", "67522a06a2de477ab364270b5dd4d1b3"},
    {Event::kStartDelayed, "start_delayed", "817221622a4742339f2c0d8a4476bd77"},
    {Event::kSupervisorReady, "supervisor_ready", "02ccc3ccdb7949c29dd21e46163f6ee8"},
    {Event::kGroupDegraded, "group_degraded", "b2aa5fbe3b9e4655b0afd753c0d84f52"},
    {Event::kGroupWhole, "group_whole", "76405e4cd5db4d1cb0ccde0441e25079"},
    {Event::kSupervisorStopping, "supervisor_stopping", "58ee1fbaa049452aac5595974f9ef395"},
    {Event::kSupervisorStopped, "supervisor_stopped", "93683bb958be4fc8b3493e6b306489ba"},
    {Event::kSupervisorFailed, "supervisor_failed", "f3e0258aa995404fa9080b3b26e6a4b4"},
    {Event::kConfigInvalid, "config_invalid", "abc95ebbca864185a9520c8412c4e54c"},
    {Event::kConfigReloaded, "config_reloaded", "005fed9eb06b4f1ba7ea92305ed1e37c"},
    {Event::kOrder, "order", "4eb71c0a39d9476490c11ae13e3fc325"},
    {Event::kControlDropped, "control_dropped", "8423da8d9db6403bae705ebb2da72299"},
    {Event::kRuntimeRestored, "runtime_restored", "a1c22abed7fc42b7b64b933a3283c75a"},
    {Event::kLogDropped, "log_dropped", "f7b23a0c6152490abc682013dc567b91"},
});

constexpr bool in_order() {
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
        if (static_cast<std::size_t>(kKinds[i].event) != i) {
            return false;
        }
    }
    return true;
}
static_assert(in_order() && kKinds.back().event == Event::kLogDropped, "a row for each event");

}  // namespace

std::string_view name_of(Event event) noexcept {
    return kKinds.at(static_cast<std::size_t>(event)).name;
}

std::string_view message_id(Event event) noexcept {
    return kKinds.at(static_cast<std::size_t>(event)).id;
}

std::vector<Event> all_events() {
    std::vector<Event> events;
    for (const Kind& kind : kKinds) {
        if (kind.event != Event::kMessage) {
            events.push_back(kind.event);
        }
    }
    return events;
}

}  // namespace shmipc::log
