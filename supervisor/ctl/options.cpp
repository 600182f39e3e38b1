#include "options.hpp"

#include "base/units.hpp"
#include "printable.hpp"
#include "shared/text.hpp"
#include "signals.hpp"
#include <shmipc/ids.hpp>

#include <CLI/CLI.hpp>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace shmipc::ctl {
namespace {

#define SHMIPC_EXIT_CODES                                                                          \
    "Exit codes: 0 done; 1 failed, because the supervisor said no or a worker failed; 2 workers\n" \
    "are not ready (status --check, wait); 3 the supervisor is stopping; 64 wrong usage; 69 no\n"  \
    "supervisor runs the group; 77 no permission.\n"                                               \
    "Reasons are on standard error."

constexpr const char* kDescription =
    "Shows and steers a group of shmipc workers: asks the group's supervisor, or, for peek and\n"
    "clean, looks at the shared memory itself.";

constexpr const char* kFooter =
    "WORKERS are numbers, ranges and lists of them, or all: 1  0,2-5  all\n"
    "\n"
    "The supervisor is found by its socket: --socket; else GROUP.control in --runtime-dir; else "
    "in\n"
    "$XDG_RUNTIME_DIR/shmipc or /tmp/shmipc-UID, but not for root; else in /run/shmipc; else in\n"
    "/run/shmipc-GROUP, where a unit with a User= of its own has it. Within a service that has\n"
    "$RUNTIME_DIRECTORY that comes first.\n"
    "\n"
    "--json prints one object a line, with the fields of the Varlink interface io.shmipc; to read\n"
    "its description: varlinkctl introspect /run/shmipc/GROUP.control io.shmipc. Those of peek\n"
    "and watch are in shmipcctl(1).\n"
    "\n"
    "Examples:\n"
    "  shmipcctl status                      the system's group\n"
    "  shmipcctl --group demo restart 0,2-3\n"
    "  shmipcctl --group demo top\n"
    "  shmipcctl COMMAND --help              more on one command\n"
    "\n" SHMIPC_EXIT_CODES;

struct CommandHelp {
    Command command;
    const char* name;
    const char* purpose;
    const char* examples;
};

constexpr CommandHelp kCommands[] = {
    {Command::kStatus, "status", "Show the state of the group and of its workers",
     "  shmipcctl status\n  shmipcctl status 0,2 --json | jq .workers[].state\n"
     "  shmipcctl status --failed --check"},
    {Command::kWait, "wait",
     "Wait until workers are ready, but for those that are stopped by order",
     "  shmipcctl wait --ready\n  shmipcctl --group demo wait --ready 0-2 --timeout 30s"},
    {Command::kStart, "start",
     "Start workers that are down or wait in backoff; wait until they are ready",
     "  shmipcctl start 1\n  shmipcctl start all --no-wait"},
    {Command::kStop, "stop",
     "Stop workers: SIGTERM, then SIGKILL; they stay down until they are started",
     "  shmipcctl stop 1\n  shmipcctl stop 2-5 --no-wait"},
    {Command::kRestart, "restart",
     "Stop workers and start them again, or start them if they are down",
     "  shmipcctl restart 1\n  shmipcctl restart all"},
    {Command::kKill, "kill",
     "Send a signal to workers; what dies of it is restarted like any other",
     "  shmipcctl kill 1\n  shmipcctl kill all --signal USR1"},
    {Command::kPeek, "peek",
     "Print the latest message of workers, without disturbing them; needs no supervisor",
     "  shmipcctl peek 1\n  shmipcctl peek all --json | jq .value"},
    {Command::kWatch, "watch",
     "Print the latest messages at each interval, and changes of state as they come, until\n"
     "interrupted",
     "  shmipcctl watch\n  shmipcctl watch 0 --json\n  shmipcctl watch 1,2 --interval 100ms"},
    {Command::kAutopsy, "autopsy", "Tell how workers died: the last 20 deaths of each",
     "  shmipcctl autopsy 1\n  shmipcctl autopsy all --json | jq .deaths[].how"},
    {Command::kTop, "top",
     "Show a live table. Arrows, PageUp, PageDown, Home, End scroll; q or ESC leaves",
     "  shmipcctl top\n  shmipcctl top --interval 250ms"},
    {Command::kConsole, "console",
     "Show the supervisor's log, and take orders: a worker's number and Return kills it and keeps\n"
     "it down, or starts it if it is down; q and Return, or the end of input, leaves",
     "  shmipcctl console"},
    {Command::kReload, "reload",
     "Have the configuration read again, and wait until it is applied; a wrong one changes nothing",
     "  shmipcctl reload"},
    {Command::kLogLevel, "log-level", "Tell the supervisor's log level, or set it",
     "  shmipcctl log-level\n  shmipcctl log-level debug"},
    {Command::kMetrics, "metrics", "Print metrics in Prometheus' text format",
     "  shmipcctl metrics > /var/lib/node_exporter/shmipc.prom"},
    {Command::kClean, "clean",
     "Remove the shared memory of a group, and its messages; refused while one of its workers runs",
     "  shmipcctl --group demo clean"},
    {Command::kVersion, "version", "Print the versions of shmipcctl and of the supervisor",
     "  shmipcctl version"},
};

void add_workers(CLI::App& app, Options& options, bool required) {
    auto* const workers =
        app.add_option("WORKERS", options.workers, "Numbers, ranges, lists: 1, 0,2-5; or all")
            ->type_name("");
    if (required) {
        workers->required();
    } else {
        workers->default_str("all");
    }
}

void add_signal(CLI::App& app, Options& options) {
    app.add_option_function<std::string>(
           "-s,--signal",
           [&options](const std::string& text) {
               const auto number = parse_signal(text);
               if (!number) {
                   throw CLI::ValidationError(
                       "--signal", "'" + text +
                                       "' is no signal: expected 1 to 64, or a name such "
                                       "as KILL, SIGTERM, usr1");
               }
               options.signal = *number;
           },
           "Number or name; default: KILL")
        ->type_name("SIGNAL");
}

void add_interval(CLI::App& app, Options& options) {
    app.add_option_function<std::string>(
           "-i,--interval",
           [&options](const std::string& text) {
               const auto interval = parse_duration(text);
               if (!interval || *interval < std::chrono::milliseconds{100} ||
                   *interval > std::chrono::hours{1}) {
                   throw CLI::ValidationError(
                       "--interval", "'" + text + "' is no time from 100ms to 1h, such as 500ms");
               }
               options.interval = *interval;
           },
           "Time between two looks, such as 500ms; 100ms to 1h; default: 1s")
        ->type_name("TIME");
}

void add_timeout(CLI::App& app, Options& options) {
    app.add_option_function<std::string>(
           "--timeout",
           [&options](const std::string& text) {
               const auto timeout = parse_duration(text);
               if (!timeout || *timeout < std::chrono::nanoseconds{0} ||
                   *timeout > std::chrono::hours{24 * 365}) {
                   throw CLI::ValidationError(
                       "--timeout", "'" + text + "' is no time from 0s to 8760h, such as 30s");
               }
               options.timeout = *timeout;
           },
           "Wait no longer than this, such as 30s, then end with 2; and wait for a supervisor too\n"
           "that is not there yet. Default: for ever, but for no supervisor")
        ->type_name("TIME");
}

void add_own_options(CLI::App& app, Command command, Options& options) {
    switch (command) {
        case Command::kStatus:
            add_workers(app, options, false);
            app.add_flag("--check", options.check,
                         "End with 2 if a worker that should be ready is not");
            app.add_flag("--failed", options.failed_only,
                         "Show only workers that were given up, wait after a death, or are being "
                         "killed");
            break;
        case Command::kWait:
            add_workers(app, options, false);
            app.add_flag("--ready", options.ready, "For workers to be ready")->required();
            add_timeout(app, options);
            return;
        case Command::kWatch:
            add_workers(app, options, false);
            add_interval(app, options);
            break;
        case Command::kPeek:
        case Command::kAutopsy:
            add_workers(app, options, true);
            break;
        case Command::kStart:
        case Command::kStop:
        case Command::kRestart:
            add_workers(app, options, true);
            app.add_flag_callback(
                "--no-wait", [&options] { options.wait = false; },
                "Give the order, and do not wait until it is carried out");
            return;
        case Command::kKill:
            add_workers(app, options, true);
            add_signal(app, options);
            return;
        case Command::kTop:
            add_interval(app, options);
            return;
        case Command::kLogLevel:
            app.add_option("LEVEL", options.level, "debug, info, warning or error")
                ->type_name("")
                ->check(CLI::IsMember({"debug", "info", "warning", "error"}).description(""));
            break;
        case Command::kConsole:
        case Command::kMetrics:
        case Command::kClean:
            return;
        case Command::kReload:
        case Command::kVersion:
            break;
    }
    app.add_flag("--json", options.json, "Print JSON, one object a line");
}

void add_command(CLI::App& app, const CommandHelp& help, Options& options) {
    CLI::App* const own = app.add_subcommand(help.name, help.purpose);
    own->fallthrough();  // options of all commands may stand after the command
    own->set_help_flag("-h,--help", "Print this and exit");
    own->footer("--group, --socket, --runtime-dir, --color: see shmipcctl --help\n\nExamples:\n" +
                std::string(help.examples) + "\n\n" SHMIPC_EXIT_CODES);
    add_own_options(*own, help.command, options);
    own->callback([&options, command = help.command] { options.command = command; });
}

void add_common_options(CLI::App& app, Options& options) {
    app.set_help_flag("-h,--help", "Print this and exit");
    app.set_version_flag("--version", "shmipcctl " SHMIPC_VERSION, "Print it and exit");
    app.add_option("-g,--group", options.place.group, "Name of the group; default: shmipc")
        ->type_name("NAME")
        ->check([](const std::string& name) {
            return is_group_name(name) ? std::string()
                                       : "expected 1 to 64 characters of A-Z, a-z, 0-9, '_', '-'";
        });
    auto* const socket = app.add_option("--socket", options.place.socket, "The supervisor's socket")
                             ->type_name("PATH");
    app.add_option("--runtime-dir", options.place.runtime_dir, "Directory of the socket")
        ->type_name("DIR")
        ->excludes(socket);
    app.add_option("--color", options.colour,
                   "auto, always, never; default: auto, on terminals unless $NO_COLOR is set")
        ->type_name("WHEN")
        ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
    app.require_subcommand(1);
}

std::string unknown_command(const std::string& word) {
    std::vector<std::string> names;
    for (const CommandHelp& help : kCommands) {
        names.emplace_back(help.name);
    }
    const std::string meant = supervisor::nearest(word, names);
    return '\'' + printable(word) + "' is no command" +
           (meant.empty() ? "" : "; did you mean " + meant + '?');
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, std::ostream& out,
                               std::ostream& err) {
    Options options;
    CLI::App app(kDescription, "shmipcctl");
    app.footer(kFooter);
    add_common_options(app, options);
    for (const CommandHelp& help : kCommands) {
        add_command(app, help, options);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {
        app.exit(asked, out, err);
        return {std::nullopt, ExitCode::kOk};
    } catch (const CLI::ParseError& error) {
        const auto chosen = app.get_subcommands();
        const std::vector<std::string> unknown = app.remaining();
        if (!chosen.empty()) {
            err << "shmipcctl: " << printable(error.what()) << "\nshmipcctl "
                << chosen.front()->get_name() << " --help tells its options\n";
            return {std::nullopt, ExitCode::kUsage};
        }
        const bool no_command = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
        err << "shmipcctl: "
            << (!no_command       ? printable(error.what())
                : unknown.empty() ? "which command? For a first look: shmipcctl status"
                                  : unknown_command(unknown.front()))
            << "\nshmipcctl --help tells the commands and options\n";
        return {std::nullopt, ExitCode::kUsage};
    }
    return {std::move(options), ExitCode::kOk};
}

}  // namespace shmipc::ctl
