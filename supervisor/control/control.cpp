#include "control.hpp"

#include "access.hpp"
#include "autopsy_stream.hpp"
#include "base/log.hpp"
#include "description.hpp"
#include "errors.hpp"
#include "json_reports.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr mode_t kSocketMode = 0660;
/// With observers each connection is judged.
constexpr mode_t kJudgedSocketMode = 0666;
constexpr std::chrono::microseconds kDefaultInterval = 1s;
constexpr std::chrono::microseconds kLeastInterval = 100ms;
constexpr std::chrono::microseconds kMostInterval = 1h;
/// A hundred workers' reports cost half a millisecond to make and to write: a large group is told
/// of less often than a client might ask for, so that watchers cannot keep the supervisor busy.
constexpr std::chrono::microseconds kIntervalPerWorker = 1ms;

// Told to clients in kControlDescription, and to people in shmipc-supervisor(8).
const varlink::Limits kLimits{.message_bytes = 65'536,
                              .clients = 64,
                              .clients_per_user = 16,
                              .idle = 60s,
                              .stall = 10s,
                              .calls_a_second = 100,
                              .backlog_bytes = 4U << 20U};

/// Clients that are dropped one after the other, as fast as they come, must not fill the log.
constexpr std::chrono::seconds kDropNoticeEvery{1};

}  // namespace

Control::Control(Surroundings surroundings, const std::string& path)
    : surroundings_(std::move(surroundings)),
      socket_group_(::getegid()),
      logs_(surroundings_.io),
      server_(
          surroundings_.io, path, surroundings_.observers ? kJudgedSocketMode : kSocketMode,
          varlink::Info{.vendor = "shmipc",
                        .product = "shmipc-supervisor",
                        .version = SHMIPC_VERSION,
                        .url = "https://varlink.org"},
          {interface(), varlink::Interface{.name = std::string(kControlInterface),
                                           .description = std::string(kControlDescription),
                                           .methods = {}}},
          kLimits,
          [this](const varlink::Peer& peer, const std::string& reason) {
              on_dropped(peer, reason);
          },
          [this](int socket, const varlink::Peer& peer) { return judge(socket, peer); }) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) {
        socket_group_ = status.st_gid;  // the directory's, if that has the set-group-ID bit
    }
}

Control::~Control() = default;

varlink::Interface Control::interface() {
    const auto bound = [this](void (Control::*method)(const CallPtr&)) {
        return [this, method](const CallPtr& call) { (this->*method)(call); };
    };
    const auto ordering = [this](Event event) {
        return [this, event](const CallPtr& call) {
            if (may_order(call)) {
                order(call, event);
            }
        };
    };
    return {.name = std::string(kInterface),
            .description = std::string(kInterfaceDescription),
            .methods = {{"Status", bound(&Control::status)},
                        {"Start", ordering(Event::kStart)},
                        {"Stop", ordering(Event::kStop)},
                        {"Restart", ordering(Event::kRestart)},
                        {"Toggle", ordering(Event::kToggle)},
                        {"Kill", bound(&Control::kill)},
                        {"Autopsy", bound(&Control::autopsy)},
                        {"Watch", bound(&Control::watch)},
                        {"Log", bound(&Control::log)},
                        {"Reload", bound(&Control::reload)},
                        {"LogLevel", bound(&Control::log_level)},
                        {"Metrics", [this](const CallPtr& call) { metrics(call); }}}};
}

void Control::on_dropped(const varlink::Peer& peer, const std::string& reason) {
    const auto now = std::chrono::steady_clock::now();
    if (drop_noticed_ && now - *drop_noticed_ < kDropNoticeEvery) {
        ++drops_unnoticed_;
        return;
    }
    drop_noticed_ = now;
    const std::uint64_t others = std::exchange(drops_unnoticed_, 0);
    if (peer.pid < 0) {
        log::log(log::Level::kWarning, log::Event::kControlDropped, "control socket: " + reason);
        return;
    }
    log::log(log::Level::kWarning, log::Event::kControlDropped,
             "control socket: a client (uid " + std::to_string(peer.uid) + ", pid " +
                 std::to_string(peer.pid) + ") was dropped: " + reason +
                 (others == 0 ? "" : "; and " + std::to_string(others) + " before it"),
             {{"SHMIPC_PEER_UID", peer.uid}, {"SHMIPC_PEER_PID", peer.pid}});
}

void Control::on_change(WorkerIndex /*worker*/) {
    if (!settle_posted_ && !(waits_.empty() && watches_.empty())) {
        settle_posted_ = true;
        // Later, and once for all that changes now. The loop outlives this only as a whole: what is
        // posted runs before main destroys anything, or never.
        boost::asio::post(surroundings_.io, [this] { settle(); });
    }
}

void Control::settle() {
    settle_posted_ = false;
    waits_.remove_if([this](OrderWait& wait) { return wait.settle(surroundings_.supervisor); });
    watches_.remove_if([](const auto& watch) { return !watch->open(); });
    for (const auto& watch : watches_) {
        watch->on_change();
    }
}

ControlReport Control::report() const noexcept {
    const varlink::Server::Counts counts = server_.counts();
    return {.clients = static_cast<std::uint32_t>(counts.clients),
            .connections = counts.connections,
            .calls = counts.calls,
            .dropped = counts.dropped,
            .turned_away = counts.turned_away};
}

bool Control::may_order(const CallPtr& call) {
    if (call->peer().rights == varlink::Rights::kOrder) {
        return true;
    }
    call->fail("org.varlink.service.PermissionDenied");
    return false;
}

varlink::Rights Control::judge(int socket, const varlink::Peer& peer) const {
    if (!surroundings_.observers) {
        return varlink::Rights::kOrder;  // the socket's mode has judged
    }
    return rights_of(
        peer.uid, groups_of_peer(socket, peer.gid),
        {.owner = ::geteuid(), .group = socket_group_, .observers = *surroundings_.observers});
}

void Control::status(const CallPtr& call) {
    varlink::Parameters(call->parameters()).finish();
    call->reply(to_json(surroundings_.supervisor.report()));
}

void Control::autopsy(const CallPtr& call) {
    varlink::Parameters parameters(call->parameters());
    const auto workers = workers_of(call, parameters);
    parameters.finish();
    if (!workers) {
        return;
    }
    std::make_shared<AutopsyStream>(surroundings_.supervisor, call, *workers)->start();
}

void Control::watch(const CallPtr& call) {
    varlink::Parameters parameters(call->parameters());
    WatchStream::Request request;
    const auto interval = parameters.integer("interval_usec");
    request.all = parameters.boolean("all").value_or(false);
    const auto workers = workers_of(call, parameters);
    parameters.finish();
    if (!workers) {
        return;
    }
    if (!call->more()) {
        call->fail("org.varlink.service.ExpectedMore");
        return;
    }
    request.interval = interval ? std::chrono::microseconds{*interval} : kDefaultInterval;
    if (request.interval < kLeastInterval || request.interval > kMostInterval) {
        throw varlink::InvalidParameter("interval_usec");
    }
    request.interval =
        std::max(request.interval, kIntervalPerWorker * static_cast<int>(workers->size()));
    request.workers = *workers;
    watches_.remove_if([](const auto& watch) { return !watch->open(); });
    watches_.push_back(std::make_shared<WatchStream>(surroundings_.io, surroundings_.supervisor,
                                                     call, std::move(request)));
    watches_.back()->start();
}

void Control::log(const CallPtr& call) {
    varlink::Parameters(call->parameters()).finish();
    if (!call->more()) {
        call->fail("org.varlink.service.ExpectedMore");
        return;
    }
    logs_.add(call);
}

void Control::log_level(const CallPtr& call) {
    varlink::Parameters parameters(call->parameters());
    const auto text = parameters.text("level");
    parameters.finish();
    if (text && !may_order(call)) {
        return;
    }
    if (text) {
        const auto level = log::parse_level(*text);
        if (!level) {
            throw varlink::InvalidParameter("level");
        }
        announce(call, "log level " + *text);
        surroundings_.supervisor.set_log_level(*level);
    }
    call->reply({{"level", log::name_of(log::level())}});
}

void Control::metrics(const CallPtr& call) const {
    varlink::Parameters(call->parameters()).finish();
    call->reply({{"text", surroundings_.metrics()}});
}

}  // namespace shmipc::supervisor
