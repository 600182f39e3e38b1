// shmipc-supervisor: wires its parts together, and turns what goes wrong into an exit code.
#include "base/log.hpp"
#include "base/os.hpp"
#include "config/config.hpp"
#include "config/config_warnings.hpp"
#include "config/options.hpp"
#include "daemon/group_fit.hpp"
#include "daemon/guard.hpp"
#include "daemon/lock.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/stray_signals.hpp"
#include "keeper/kin.hpp"
#include "keeper/launch.hpp"
#include "run_group.hpp"
#include "shared/exit_code.hpp"
#include "shared/runtime_dir.hpp"
#include "shared/text.hpp"
#include <shmipc/error.hpp>

#include <boost/system/system_error.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace shmipc;
using namespace shmipc::supervisor;

/// Undoes what was inherited and would harm: blocked or ignored signals; and keeps
/// off signals that are not for us.
void prepare_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &action, nullptr);  // ignored, the kernel would reap behind our back
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    hold_stray_signals();
}

/// Descriptors of the supervisor's own: log, locks, sockets, the event loop, some clients, and what
/// it opens for a moment.
constexpr rlim_t kOwnDescriptors = 32;
/// A worker's object, process, output and two pipes while it starts.
constexpr rlim_t kDescriptorsOfWorker = 5;

/// Raises the limit of open files as far as it may be: large groups need more than the usual 1024.
/// Returns the limit as it was, for the workers to have.
std::optional<rlimit> raise_open_files() {
    rlimit before{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &before) == 0;
    os::raise_descriptor_limit();
    return known ? std::optional(before) : std::nullopt;
}

/// Throws Error (kSystem) if the limit of open files is below what a group of so many workers
/// needs. Before anything is made: what is made cannot be removed without a descriptor either.
void require_open_files(std::uint32_t workers) {
    rlimit limit{};
    const rlim_t needed = kOwnDescriptors + workers * kDescriptorsOfWorker;
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed) {
        throw Error(Errc::kSystem,
                    "RLIMIT_NOFILE is " + std::to_string(limit.rlim_cur) + ": expected at least " +
                        std::to_string(needed) + " open files" +
                        (workers == 0 ? "" : " for " + std::to_string(workers) + " workers") +
                        ": raise it with LimitNOFILE= or ulimit -n");
    }
}

/// For --check: a start tells it anyway, with what came of it.
void warn_of_programs(const Config& config) {
    const LaunchContext context = launch_context(config.log_format);
    std::map<std::string, std::vector<WorkerIndex>> workers_of;
    for (std::uint32_t i = 0; i < config.group.workers; ++i) {
        const WorkerIndex index{i};
        const std::string why =
            why_not_startable(config, index, config.settings_of(index), context);
        if (!why.empty()) {
            workers_of[why].push_back(index);
        }
    }
    for (const auto& [why, workers] : workers_of) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "the command of " + name_workers(workers) + " cannot be executed here, by " +
                     "this user: " + why);
    }
}

ExitCode run(const Options& options, ServiceManager& manager) {
    Config early = options.early;
    if (options.check_only && early.log_format == log::Format::kAuto) {
        early.log_format = log::Format::kHuman;  // for whoever asked, in a pipe too
    }
    log::init(log_options(early));
    const std::optional<rlimit> open_files = raise_open_files();
    require_open_files(0);
    Config config;
    try {
        config = load_config(options);
    } catch (const ConfigError& error) {
        return fail(manager, ExitCode::kConfig, log::Event::kConfigInvalid, error.what());
    }
    if (!options.check_only) {
        log::init(log_options(config));
    }
    for (const std::string& warning : warnings_of(config)) {
        log::log(log::Level::kWarning, log::Event::kMessage, warning);
    }
    if (options.check_only) {
        warn_of_programs(config);
        std::cout << options.config_file << ": valid\n";
        if (const std::string misfit = misfit_of_objects(config); !misfit.empty()) {
            return fail(manager, ExitCode::kGroup, log::Event::kConfigInvalid, misfit);
        }
        return ExitCode::kOk;
    }
    require_open_files(config.group.workers);
    const std::string directory = runtime_directory(config.runtime_dir);
    prepare_runtime_directory(directory);
    if (!config.observers.empty()) {
        open_runtime_directory(directory);
    }
    const RuntimeFiles files(directory, config.group.name);
    pid_t holder = 0;
    std::optional<SupervisorLock> lock = SupervisorLock::acquire(files.lock, holder);
    if (!lock) {
        return fail(manager, ExitCode::kAlreadyRuns, log::Event::kSupervisorFailed,
                    "group '" + config.group.name + "' already has a supervisor: pid " +
                        (holder != 0 ? std::to_string(holder) : "unknown") + ", lock " +
                        files.lock);
    }
    if (::access("/proc/self/stat", R_OK) != 0) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "there is no /proc here: what leaves a worker's process group may outlive the "
                 "worker, a debugger at work is not seen, and programs are found in PATH alone; "
                 "mount it (mount -t proc proc /proc)");
    }
    if (!Kin::adopt_orphans()) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "prctl(PR_SET_CHILD_SUBREAPER): refused; what leaves a worker's process group may "
                 "outlive the worker");
    }
    LaunchContext context = launch_context(config.log_format);
    context.open_files = open_files;
    const ExitCode code = run_group({options, config, context, files, *lock, manager});
    log::log(log::Level::kInfo, log::Event::kSupervisorStopped,
             "stopped, exit code " + std::to_string(to_number(code)));
    return code;
}

ExitCode code_of(const Error& error) {
    switch (error.errc()) {
        case Errc::kSystem:
        case Errc::kNoPermission:
        case Errc::kOtherOwner:
            return ExitCode::kSystem;
        default:
            return ExitCode::kGroup;
    }
}

}  // namespace

int main(int argc, char** argv) {
    // First of all: otherwise the next file that is opened would become standard output.
    if (!os::open_standard_descriptors()) {
        return to_number(ExitCode::kSystem);  // and no way to say why
    }
    if (argc > 0 && std::string_view(argv[0]) == kGuardName) {
        return run_guard(argc, argv);
    }
    prepare_signals();
    ServiceManager manager = ServiceManager::from_environment();
    ExitCode code = ExitCode::kInternal;
    const auto failed = [&](ExitCode with, const std::string& text) {
        code = fail(manager, with, log::Event::kSupervisorFailed, text);
    };
    try {
        const CommandLine line = parse_command_line(argc, argv, std::cout, std::cerr);
        code = line.options ? run(*line.options, manager) : line.exit_code;
    } catch (const Error& error) {
        failed(code_of(error), error.text());
    } catch (const boost::system::system_error& error) {
        // Of the event loop: it could not get what it needs from the system.
        const Error why = Error::from_errno(Errc::kSystem, error.code().value(),
                                            "the system refused the supervisor what it needs");
        failed(code_of(why), why.text());
    } catch (const std::bad_alloc&) {
        failed(ExitCode::kSystem, "out of memory");
    } catch (const std::exception& error) {
        failed(ExitCode::kInternal, std::string("a bug, please report it: ") + error.what());
    }
    // Whoever reads our output slowly gets the last lines too; who does not read it at all, holds
    // us up no longer than this.
    log::flush(std::chrono::seconds{1});
    return to_number(code);
}
