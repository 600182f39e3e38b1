#include "options.hpp"

#include "base/units.hpp"
#include "shared/text.hpp"
#include <shmipc/ids.hpp>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <ostream>
#include <string_view>
#include <utility>

namespace shmipc::supervisor {
namespace {

constexpr std::string_view kDefaultFile = "/etc/shmipc/shmipc.toml";

constexpr const char* kDescription =
    "Runs a group of workers that tell each other their latest state through shared memory:\n"
    "starts them, restarts those that die, ends them all on SIGTERM or SIGINT (twice: at once).";

constexpr const char* kFooter =
    "A command after -- is run as each worker, in place of worker.command; {group}, {workers} and\n"
    "{index} in it stand for the values.\n"
    "\n"
    "Console: a worker's number and Return kills it, or starts it if it is down; q and Return, "
    "the\n"
    "end of input, or a hang-up ends the group. Without --console SIGHUP reads the configuration\n"
    "again; shmipcctl steers the group over its control socket in the runtime directory.\n"
    "\n"
    "Examples:\n"
    "  shmipc-supervisor --workers 3 --console\n"
    "  shmipc-supervisor --config shmipc.toml --group robot --capacity 64KiB\n"
    "  shmipc-supervisor --workers 4 -- ./my-worker --verbose\n"
    "  shmipc-supervisor --check shmipc.toml\n"
    "\n"
    "Exit codes:\n"
    "   0  stopped in order               73  the group's objects cannot be created or removed\n"
    "  64  wrong usage                    75  another supervisor runs this group\n"
    "  69  the workers did not start      76  workers died too often\n"
    "  70  a bug                          78  wrong configuration, or a command that cannot be "
    "run\n"
    "  71  the system refused something";

std::string not_one_of(const std::string& text, std::string_view words) {
    return "'" + text + "' is not one of " + std::string(words);
}

/// An option that becomes a key of the configuration. `parse` gets the text and the Config, and
/// returns what is wrong with the text; it is called here too, so that errors are errors of usage.
void add_key(CLI::App& app, Options& options, const std::string& name, const std::string& key,
             const std::string& help, const std::string& placeholder,
             std::string (*parse)(const std::string& text, Config& config)) {
    app.add_option_function<std::string>(
           name,
           [&options, name, key, parse](const std::string& text) {
               Config trial;
               if (const std::string wrong = parse(text, trial); !wrong.empty()) {
                   throw CLI::ValidationError(name, wrong);
               }
               options.overrides.emplace_back([name, key, parse, text](Config& config) {
                   parse(text, config);
                   config.origins[key] = name;
               });
           },
           help)
        ->type_name(placeholder)
        ->multi_option_policy(
            CLI::MultiOptionPolicy::TakeLast);  // so that scripts can add to a list
}

std::string set_group(const std::string& text, Config& config) {
    config.group.name = text;
    return is_group_name(text) ? "" : "expected 1 to 64 characters of A-Z, a-z, 0-9, '_', '-'";
}

std::string set_workers(const std::string& text, Config& config) {
    const auto number = parse_number(text, kMaxWorkers);
    config.group.workers = static_cast<std::uint32_t>(number.value_or(0));
    return number && *number >= kMinWorkers ? "" : "expected a number from 2 to 1024";
}

std::string set_capacity(const std::string& text, Config& config) {
    const auto bytes = parse_bytes(text);
    config.group.capacity = bytes.value_or(0);
    return bytes && *bytes >= kMinCapacity && *bytes <= kMaxCapacity
               ? ""
               : "expected 8 to 1073741824 bytes, or a size such as 64KiB";
}

std::string set_slots(const std::string& text, Config& config) {
    const auto number = parse_number(text, layout::Geometry::maximum_slots(kMaxWorkers));
    config.group.slots = static_cast<std::uint32_t>(number.value_or(0));
    return number ? "" : "expected 0, or a number from workers + 1 to 4 x workers";
}

std::string set_log_level(const std::string& text, Config& config) {
    const auto level = log::parse_level(text);
    config.log_level = level.value_or(config.log_level);
    return level ? "" : not_one_of(text, "debug, info, warning, error");
}

std::string set_log_format(const std::string& text, Config& config) {
    const auto format = log::parse_format(text);
    config.log_format = format.value_or(config.log_format);
    return format ? "" : not_one_of(text, "auto, human, json, journal");
}

std::string set_runtime_dir(const std::string& text, Config& config) {
    std::error_code error;
    config.runtime_dir = std::filesystem::absolute(text, error).string();
    return text.empty() || error ? "expected a directory" : "";
}

void set_persist(Options& options, bool persist) {
    options.overrides.emplace_back([persist](Config& config) { config.persist = persist; });
}

void add_options(CLI::App& app, Options& options) {
    app.set_help_flag("-h,--help", "Print this and exit");
    app.set_version_flag("--version", "shmipc-supervisor " SHMIPC_VERSION, "Print it and exit");
    app.add_option("--config", options.config_file,
                   "Configuration; default: " + std::string(kDefaultFile) + " if it exists")
        ->type_name("FILE");
    app.add_option_function<std::string>(
           "--check",
           [&options](const std::string& file) {
               options.config_file = file;
               options.check_only = true;
           },
           "Check a configuration file, with the other options on top, and exit")
        ->type_name("FILE");
    app.add_flag("--console", options.console, "Take orders from standard input");
    add_key(app, options, "--group", "group", "Name of the group; default: shmipc", "NAME",
            set_group);
    add_key(app, options, "--workers", "workers", "Number of workers, 2 to 1024; default: 3", "N",
            set_workers);
    add_key(app, options, "--capacity", "capacity", "Longest message in bytes; default: 64",
            "BYTES", set_capacity);
    add_key(app, options, "--slots", "slots",
            "Slots of a channel; default: by workers and capacity", "N", set_slots);
    add_key(app, options, "--log-level", "log.level", "debug, info, warning, error; default: info",
            "LEVEL", set_log_level);
    add_key(app, options, "--log-format", "log.format", "auto, human, json, journal; default: auto",
            "FORMAT", set_log_format);
    add_key(
        app, options, "--runtime-dir", "runtime_dir",
        "For the lock and the control socket; default: /run/shmipc, or $XDG_RUNTIME_DIR/shmipc, "
        "or for a service $RUNTIME_DIRECTORY, if /run/shmipc is not this user's",
        "DIRECTORY", set_runtime_dir);
    app.add_flag_callback(
        "--persist", [&options] { set_persist(options, true); },
        "Keep the messages when the group stops");
    app.add_flag_callback(
        "--no-persist", [&options] { set_persist(options, false); },
        "Remove them, also if the configuration keeps them");
}

/// What follows "--" is the worker's command; taken off here, because its options are not ours.
std::vector<std::string> split_command(int argc, const char* const* argv,
                                       std::vector<std::string>& own) {
    std::vector<std::string> command;
    bool after = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (!after && argument == "--") {
            after = true;
        } else {
            (after ? command : own).emplace_back(argument);
        }
    }
    return command;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, std::ostream& out,
                               std::ostream& err) {
    Options options;
    CLI::App app(kDescription, "shmipc-supervisor");
    app.footer(kFooter);
    add_options(app, options);
    std::vector<std::string> own;
    std::vector<std::string> command = split_command(argc, argv, own);
    try {
        app.parse(std::vector<std::string>(own.rbegin(), own.rend()));  // CLI11 takes from the end
        if (app.count("--config") != 0 && app.count("--check") != 0) {
            throw CLI::ValidationError("--check",
                                       "goes without --config: it names the file itself");
        }
    } catch (const CLI::ParseError& error) {
        const bool wrong = app.exit(error, out, err) != 0;
        return {std::nullopt, wrong ? ExitCode::kUsage : ExitCode::kOk};
    }
    if (!command.empty()) {
        options.overrides.emplace_back([command](Config& config) {
            config.worker.command = command;
            config.origins["worker.command"] = "--";
            for (auto& [index, settings] : config.workers) {
                settings.command = command;
                config.origins.erase("worker." + std::to_string(index) + ".command");
            }
        });
    }
    for (const auto& override_key : options.overrides) {
        override_key(options.early);
    }
    return {std::move(options), ExitCode::kOk};
}

Config load_config(const Options& options) {
    Config config;
    std::error_code ignored;
    if (!options.config_file.empty()) {
        config = read_config_file(options.config_file);
    } else if (std::filesystem::exists(std::filesystem::symlink_status(kDefaultFile, ignored))) {
        config = read_config_file(std::string(kDefaultFile));
    }
    if (!config.file.empty()) {
        // For others to read: they have another working directory.
        config.file = std::filesystem::absolute(config.file, ignored).string();
    }
    for (const auto& override_key : options.overrides) {
        override_key(config);
    }
    set_defaults(config);
    check_config(config);
    return config;
}

}  // namespace shmipc::supervisor
