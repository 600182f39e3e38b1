// shmipc-supervisor: wires its parts together, and turns what goes wrong into an exit code.
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <new>
#include <optional>

#include <shmipc/error.hpp>
#include <shmipc/log.hpp>
#include <shmipc/os.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config.hpp"
#include "console.hpp"
#include "exit_code.hpp"
#include "group_care.hpp"
#include "launch.hpp"
#include "lock.hpp"
#include "options.hpp"
#include "supervisor.hpp"

namespace {

using namespace shmipc;
using namespace shmipc::supervisor;

/// Undoes what was inherited and would harm: closed standard descriptors, blocked or ignored
/// signals.
void prepare_process() {
    // Otherwise the next file that is opened would become standard output.
    while (true) {
        const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0 || fd > STDERR_FILENO) {
            const os::Fd surplus(fd);
            break;
        }
    }
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &action, nullptr);  // ignored, the kernel would reap behind our back
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Two or three descriptors for each worker: more than the usual 1024 in large groups. Returns the
/// limit as it was, for the workers to have.
std::optional<rlimit> raise_open_files() {
    rlimit before{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &before) == 0;
    os::raise_descriptor_limit();
    return known ? std::optional(before) : std::nullopt;
}

log::Options log_options(const Config& config) {
    log::Options options;
    options.identifier = "shmipc-supervisor";
    options.prefix = "supervisor";
    options.level = config.log_level;
    options.format = config.log_format;
    options.fields = {{"SHMIPC_GROUP", config.group.name}};
    options.never_block = true;
    return options;
}

ExitCode refuse(const Config& config, const std::string& lock, pid_t holder) {
    log::log(log::Level::kError, log::Event::kSupervisorFailed,
             "group '" + config.group.name + "' already has a supervisor: pid " +
                 (holder != 0 ? std::to_string(holder) : "unknown") + ", lock " + lock);
    return ExitCode::kAlreadyRuns;
}

/// Puts back the plain log when it goes: the handler of a broken output refers to what ends with
/// supervise(), in whatever way that is left.
class PlainLogAtEnd {
  public:
    explicit PlainLogAtEnd(const Config& config) : config_(config) {}
    ~PlainLogAtEnd() { log::init(log_options(config_)); }
    PlainLogAtEnd(const PlainLogAtEnd&) = delete;
    PlainLogAtEnd& operator=(const PlainLogAtEnd&) = delete;

  private:
    const Config& config_;
};

ExitCode supervise(const Config& config, const LaunchContext& context, bool with_console) {
    boost::asio::io_context io(1);
    Group group = take_up_group(config);
    Supervisor supervisor(io, config, group, context, with_console);

    const PlainLogAtEnd at_end(config);
    log::Options logging = log_options(config);
    logging.on_broken_output = [&] {
        // Not at once: this comes from within a line of the log.
        boost::asio::post(io, [&] { supervisor.stop("standard output is closed"); });
    };
    log::init(logging);
    std::optional<Console> console;
    if (with_console) {
        console.emplace(
            io, STDIN_FILENO, config.group.workers,
            Console::Orders{.toggle = [&](WorkerIndex worker) { supervisor.toggle(worker); },
                            .quit = [&](std::string_view reason) { supervisor.stop(reason); }});
        console->start();
    }
    supervisor.start();
    io.run();
    return leave_group(config, group.created(), supervisor.exit_code());
}

ExitCode run(const Options& options) {
    Config early;
    early.log_format = options.log_format.value_or(early.log_format);
    log::init(log_options(early));
    Config config;
    try {
        config = load_config(options);
    } catch (const ConfigError& error) {
        log::log(log::Level::kError, log::Event::kConfigInvalid, error.what());
        return ExitCode::kConfig;
    }
    if (options.check_only) {
        std::cout << options.config_file << ": valid\n";
        return ExitCode::kOk;
    }
    log::init(log_options(config));
    const std::string directory = runtime_directory(config.runtime_dir);
    prepare_runtime_directory(directory);
    const std::string path = directory + "/" + config.group.name + ".lock";
    pid_t holder = 0;
    const std::optional<SupervisorLock> lock = SupervisorLock::acquire(path, holder);
    if (!lock) {
        return refuse(config, path, holder);
    }
    LaunchContext context = launch_context(config.log_format);
    context.open_files = raise_open_files();
    const ExitCode code = supervise(config, context, options.console);
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
    ExitCode code = ExitCode::kInternal;
    try {
        prepare_process();
        const CommandLine line = parse_command_line(argc, argv, std::cout, std::cerr);
        code = line.options ? run(*line.options) : line.exit_code;
    } catch (const Error& error) {
        code = code_of(error);
        log::log(log::Level::kError, log::Event::kSupervisorFailed, error.text());
    } catch (const std::bad_alloc&) {
        code = ExitCode::kSystem;
        log::log(log::Level::kError, log::Event::kSupervisorFailed, "out of memory");
    } catch (const std::exception& error) {
        log::log(log::Level::kError, log::Event::kSupervisorFailed,
                 std::string("a bug, please report it: ") + error.what());
    }
    // Whoever reads our output slowly gets the last lines too; who does not read it at all, holds
    // us up no longer than this.
    log::flush(std::chrono::seconds{1});
    return to_number(code);
}
