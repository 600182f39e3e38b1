#include "run_group.hpp"

#include "base/log_relay.hpp"
#include "config/config_warnings.hpp"
#include "control/access.hpp"
#include "control/control.hpp"
#include "daemon/console.hpp"
#include "daemon/former_life.hpp"
#include "daemon/group_care.hpp"
#include "daemon/group_fit.hpp"
#include "daemon/guard.hpp"
#include "daemon/operator_stops.hpp"
#include "daemon/reader_watch.hpp"
#include "daemon/reloader.hpp"
#include "daemon/runtime_care.hpp"
#include "daemon/start_failures.hpp"
#include "daemon/stray_signals.hpp"
#include "daemon/supervisor.hpp"
#include "keeper/worker_line.hpp"
#include "metrics/metrics.hpp"
#include "metrics/metrics_endpoint.hpp"
#include "metrics/process_report.hpp"
#include "shared/remedy.hpp"
#include "shared/runtime_dir.hpp"
#include <shmipc/error.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr std::chrono::milliseconds kShortestPass{10};
constexpr std::chrono::milliseconds kLongestPass{1000};
/// What the service manager is asked for at each pass.
constexpr std::chrono::seconds kExtension{15};
/// After it has been ready for this long, a start was good.
constexpr std::chrono::seconds kGoodAfter{10};
/// What a supervisor that was killed has left is waited for no longer.
constexpr std::chrono::seconds kMostEnding{5};

/// Before the objects are taken up: what is left of a supervisor that was killed may hold them.
void end_former_life(const std::string& file) {
    const std::size_t ended = end_life(read_former_life(file), kMostEnding);
    if (ended > 0) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "the supervisor before was killed, and left " + std::to_string(ended) +
                     (ended == 1 ? " process of its workers" : " processes of its workers") +
                     ": killed");
    }
}

/// Members in the order of who needs whom: each is gone before what it refers to.
class Daemon {
  public:
    Daemon(const DaemonSetup& setup, SupervisorClaim& claim, const Group& group)
        : setup_(setup),
          life_(setup.files.life, setup.context.life),
          claim_care_(claim),
          stops_(read_stops(setup, group)),
          failures_(setup.manager.present() ? std::optional<StartFailures>(setup.files.failures)
                                            : std::nullopt),
          supervisor_({.io = io_,
                       .group = group,
                       .context = setup.context,
                       .stops = stops_,
                       .start_again = start_again(setup),
                       .pass_every = pass_every(setup.manager)},
                      setup.config),
          endpoint_(
              io_, [this] { return metrics(); }, setup.config.group.name),
          reloader_(io_, supervisor_,
                    {.load = [this] { return load_config(setup_.options); },
                     .prepare = [this](const Config& fresh) { return prepare(fresh); },
                     .on_begin = [this] { on_reload(true); },
                     .on_end = [this] { on_reload(false); }}),
          control_({.io = io_,
                    .supervisor = supervisor_,
                    .reloader = reloader_,
                    .metrics = [this] { return metrics(); },
                    .observers = setup.config.observers.empty()
                                     ? std::nullopt
                                     : std::optional(observers_group(setup.config.observers))},
                   setup.files.control),
          care_({.group = setup.config.group.name,
                 .directory = setup.files.directory,
                 .open_to_all = !setup.config.observers.empty(),
                 .lock_path = setup.files.lock,
                 .socket_path = setup.files.control,
                 .lock = setup.lock,
                 .stops = stops_,
                 .has_socket = [this] { return control_.has_socket(); },
                 .renew_socket = [this] { control_.renew_socket(); }}) {
        endpoint_.listen(setup.config.metrics_listen);
        supervisor_.set_callbacks(
            {.on_hang_up = [this] { on_hang_up(); },
             .on_change =
                 [this](WorkerIndex worker) {
                     reloader_.on_change();
                     control_.on_change(worker);
                 },
             .on_launch = [this] { on_launch(); },
             .on_phase = [this](Phase phase) { on_phase(phase); },
             .on_status = [this] { setup_.manager.status(supervisor_.status()); },
             .on_pass = [this] { on_pass(); }});
        log::Options logging = log_options(setup.config);
        logging.on_broken_output = [this] {
            // Not at once: this comes from within a line of the log.
            boost::asio::post(io_, [this] { end("standard output is closed"); });
        };
        log::init(std::move(logging));
        if (log::format() != log::Format::kJournal) {
            reader_.emplace(io_, STDOUT_FILENO, [this] { end("standard output is closed"); });
        }
        if (setup.options.console) {
            open_console();
        }
    }
    ~Daemon() {
        // The plain log again: the handler of a broken output refers to what ends here.
        log::Options logging = log_options(supervisor_.config());
        logging.level = log::level();
        log::init(std::move(logging));
    }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    ExitCode run() {
        if (console_) {
            console_->start();
        }
        if (!setup_.manager.is_systemd() && ::getpid() != 1) {
            guard_.emplace(setup_.files.life, setup_.context.life);
            supervisor_.kin().leave_alone(guard_->pid());
        }
        const std::uint32_t failed = failures_ ? failures_->count() : 0;
        supervisor_.start(StartFailures::delay_after(failed),
                          "the last " + std::to_string(failed) + " starts failed" +
                              (failed == 0 || failures_->reason().empty()
                                   ? ""
                                   : ", at last because: " + failures_->reason()));
        io_.run();
        const ExitCode code = supervisor_.exit_code();
        if (code == ExitCode::kOk) {
            stops_.forget();
        }
        if (failures_ && (code == ExitCode::kOk || code == ExitCode::kConfig)) {
            failures_->forget();  // of a wrong configuration the service manager tries no more
        } else if (failures_ && failures_->count() > 0) {
            failures_->explain(supervisor_.stop_reason());
        }
        return code;
    }
    [[nodiscard]] const Config& config() const noexcept { return supervisor_.config(); }

  private:
    static OperatorStops read_stops(const DaemonSetup& setup, const Group& group) {
        OperatorStops stops(setup.files.stopped, setup.config.group.workers);
        if (group.created() && !stops.empty()) {
            // In a new group nobody becomes ready before all have been there: the start would fail,
            // and so would each after it.
            log::log(log::Level::kWarning, log::Event::kMessage,
                     "the group is new: what was stopped by order in the one before it is started");
            stops.forget();
        }
        return stops;
    }

    static std::string start_again(const DaemonSetup& setup) {
        const std::string& group = setup.config.group.name;
        return setup.manager.is_systemd() ? "systemctl restart " + unit_of(group)
                                          : "shmipc-supervisor --group " + group;
    }

    void on_launch() {
        if (failures_) {
            failures_->begin();
        }
    }

    /// A start is good when the group has been ready for a while: one that dies at once, again and
    /// again, is as bad as one that fails.
    void await_good_start() {
        if (!failures_) {
            return;
        }
        good_timer_.expires_after(kGoodAfter);
        good_timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error && supervisor_.phase() == Phase::kRunning) {
                failures_->forget();
            }
        });
    }

    /// What speaks against a fresh configuration, but does not keep it from being taken over.
    std::vector<std::string> prepare(const Config& fresh) {
        std::vector<std::string> warnings = warnings_of(fresh);
        for (std::string more :
             {misfit_of_objects(fresh), endpoint_.listen(fresh.metrics_listen)}) {
            if (!more.empty()) {
                warnings.push_back(std::move(more));
            }
        }
        return warnings;
    }

    std::string metrics() {
        GroupReport report = supervisor_.report();
        report.reloads = reloader_.succeeded();
        report.failed_reloads = reloader_.failed();
        return metrics_text(report, control_.report(), process_report());
    }

    /// Several within the time that the service manager's watchdog allows.
    static std::chrono::milliseconds pass_every(const ServiceManager& manager) {
        using std::chrono::milliseconds;
        const auto watchdog = manager.watchdog();
        return watchdog ? std::clamp(std::chrono::duration_cast<milliseconds>(*watchdog / 4),
                                     kShortestPass, kLongestPass)
                        : kLongestPass;
    }

    void on_phase(Phase phase) {
        setup_.manager.status(supervisor_.status());
        if (phase == Phase::kRunning) {
            setup_.manager.ready();
            await_good_start();
        } else if (phase == Phase::kStopping) {
            good_timer_.cancel();
            stopping_since_ = std::chrono::steady_clock::now();
            setup_.manager.stopping();
        }
    }

    void on_reload(bool begins) {
        // Before the group is ready the manager waits for that, and at the end for the end.
        if (begins && supervisor_.phase() == Phase::kRunning) {
            told_reloading_ = true;
            setup_.manager.reloading();
        } else if (!begins && std::exchange(told_reloading_, false) &&
                   supervisor_.phase() == Phase::kRunning) {
            setup_.manager.status(supervisor_.status());
            setup_.manager.ready();
        }
    }

    void on_pass() {
        care_.look();
        if (guard_) {
            guard_->check();
            supervisor_.kin().leave_alone(guard_->pid());
        }
        life_.keep(supervisor_.kin().adopted());
        claim_care_.look();
        setup_.manager.status(supervisor_.status());
        setup_.manager.pass();
        if (supervisor_.phase() == Phase::kStarting || told_reloading_ || stops_in_time()) {
            setup_.manager.extend(kExtension);
        }
    }

    /// Whether the workers' end may still come: not beyond SIGKILL, which somebody else must see
    /// to.
    bool stops_in_time() const {
        return supervisor_.phase() == Phase::kStopping &&
               std::chrono::steady_clock::now() - stopping_since_ <
                   supervisor_.config().longest_stop() + kExtension;
    }

    /// For what may come twice, as a terminal that goes away does by a signal, the end of input and
    /// a write that fails: that is no second order, which would kill.
    void end(std::string_view reason) {
        if (supervisor_.takes_orders()) {
            supervisor_.stop(reason);
        }
    }

    void on_hang_up() {
        const bool terminal_lost = terminal_.lost();
        if (console_ || (terminal_lost && !terminal_.hang_up_ignored())) {
            end("hang-up");  // the terminal that the group belongs to is gone
        } else if (terminal_lost) {
            log::log(log::Level::kInfo, log::Event::kMessage,
                     "the terminal is gone; that is ignored, as SIGHUP was when this was started");
        } else if (supervisor_.takes_orders()) {
            reloader_.request();
        }
    }

    void open_console() {
        const auto toggle = [this](WorkerIndex worker) {
            if (supervisor_.takes_orders()) {
                supervisor_.order(worker, Event::kToggle);
            }
        };
        const auto quit = [this](std::string_view reason) { end(reason); };
        console_.emplace(io_, STDIN_FILENO, setup_.config.group.workers,
                         Console::Orders{.toggle = toggle, .quit = quit});
    }

    ControllingTerminal terminal_;  // before a signal set takes SIGHUP
    boost::asio::io_context io_{1};
    StraySignals strays_{io_};
    const DaemonSetup& setup_;
    LifeFile life_;
    ClaimCare claim_care_;
    OperatorStops stops_;
    std::optional<StartFailures> failures_;  ///< under a service manager, which starts us again
    boost::asio::steady_timer good_timer_{io_};
    Supervisor supervisor_;
    std::optional<Guard> guard_;
    MetricsEndpoint endpoint_;
    Reloader reloader_;
    Control control_;
    RuntimeCare care_;
    std::optional<Console> console_;
    std::optional<ReaderWatch> reader_;
    bool told_reloading_ = false;
    std::chrono::steady_clock::time_point stopping_since_{};
};

}  // namespace

RuntimeFiles::RuntimeFiles(const std::string& own_directory, const std::string& group)
    : directory(own_directory),
      lock(directory + "/" + group + ".lock"),
      control(control_socket(directory, group)),
      stopped(directory + "/" + group + ".stopped"),
      life(directory + "/" + group + ".life"),
      failures(directory + "/" + group + ".failures") {}

ExitCode fail(ServiceManager& manager, ExitCode code, log::Event event, const std::string& text) {
    log::log(log::Level::kError, event, text);
    manager.status("failed: " + text);
    return code;
}

ExitCode run_group(const DaemonSetup& setup) {
    const std::string& name = setup.config.group.name;
    std::optional<SupervisorClaim> claim;
    std::optional<Group> taken;
    try {
        // The runtime directory's lock once more, for one that lies elsewhere, or was removed.
        std::uint32_t holder = 0;
        auto free = SupervisorClaim::take(name, holder);
        if (!free) {
            return fail(setup.manager, ExitCode::kAlreadyRuns, log::Event::kSupervisorFailed,
                        "group '" + name + "' already has a supervisor: pid " +
                            (holder != 0 ? std::to_string(holder) : "unknown") +
                            ", which uses another runtime directory, or whose lock file was "
                            "removed from this one");
        }
        claim.emplace(std::move(*free));
        // Not before: with a claim that is another's, it would be his workers.
        end_former_life(setup.files.life);
        taken.emplace(take_up_group(setup.config, *claim));
    } catch (const Error& error) {
        if (error.errc() != Errc::kNoPermission && error.errc() != Errc::kOtherOwner) {
            throw;
        }
        return fail(setup.manager, ExitCode::kGroup, log::Event::kSupervisorFailed, error.text());
    }
    const Group& group = *taken;
    std::optional<Daemon> daemon;
    try {
        daemon.emplace(setup, *claim, group);
    } catch (...) {  // an Error of ours, or the event loop's: descriptors, memory
        // No worker was started: what was made for them has no use.
        leave_group(setup.config, *claim, group.created(), ExitCode::kStartFailed);
        throw;
    }
    const ExitCode code = daemon->run();
    const Config config = daemon->config();  // as a reload may have changed it
    daemon.reset();
    return leave_group(config, *claim, group.created(), code);
}

log::Options log_options(const Config& config) {
    log::Options options;
    options.identifier = "shmipc-supervisor";
    options.prefix = "supervisor";
    options.level = config.log_level;
    options.format = config.log_format;
    options.fields = {{"SHMIPC_GROUP", config.group.name}, {kOriginField, kOriginSupervisor}};
    options.never_block = true;
    return options;
}

}  // namespace shmipc::supervisor
