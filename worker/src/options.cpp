#include "options.hpp"

#include "base/units.hpp"
#include <shmipc/error.hpp>
#include <shmipc/supervision.hpp>

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

namespace shmipc::worker {

namespace {

constexpr const char* kFooter = R"(
Started by hand, in N terminals, for index 0 to N-1 in any order:
  shmipc-worker --group demo --workers 3 --index 0
Workers wait for each other asleep; any may be killed and started again, and goes on with the next
value. The group's objects /dev/shm/shmipc.GROUP.* stay until they are removed:
shmipcctl --group GROUP clean.

Durations: 10us, 250ms, 1.5s, 2m. Sizes: 64, 4KiB, 16MiB. Defaults of --capacity, --slots and
--log-… come from SHMIPC_CAPACITY, SHMIPC_SLOTS, SHMIPC_LOG_LEVEL and SHMIPC_LOG_FORMAT, which the
supervisor sets.

Exit codes: 0 stopped in order; 1 failed; 64 wrong usage; 75 this worker is already running.)";

constexpr std::size_t kMostDigits = 6;
constexpr std::chrono::nanoseconds kLeastMaxInterval{std::chrono::microseconds{1}};
constexpr std::chrono::nanoseconds kMostInterval{std::chrono::hours{24}};

// CLI11 checks by functions that return what is wrong, or nothing.
std::string check_duration(const std::string& text) {
    return parse_duration(text) ? "" : "'" + text + "' is not a duration such as 250ms or 10s";
}
std::string check_bytes(const std::string& text) {
    return parse_bytes(text) ? "" : "'" + text + "' is not a size such as 64 or 4KiB";
}
std::string check_count(const std::string& text) {
    return text.find_first_not_of("0123456789") == std::string::npos && !text.empty() &&
                   text.size() <= kMostDigits
               ? ""
               : "'" + text + "' is not a number";
}
std::uint32_t parse_count(const std::string& text) {
    return static_cast<std::uint32_t>(std::stoul(text));
}
std::string check_level(const std::string& text) {
    return log::parse_level(text) ? "" : "'" + text + "' is none of debug, info, warning, error";
}
std::string check_format(const std::string& text) {
    return log::parse_format(text) ? "" : "'" + text + "' is none of auto, human, json, journal";
}

std::string from_environment(const char* variable, const char* otherwise) {
    const char* const value = std::getenv(variable);
    return value == nullptr ? otherwise : value;
}

struct Texts {
    std::string capacity;
    std::string slots;
    std::string min_interval = "1us";
    std::string max_interval = "1s";
    std::string log_level;
    std::string log_format;
    std::uint32_t index = 0;
};

void add_options(CLI::App& app, Options& options, Texts& texts) {
    app.add_option("--group", options.group.name, "Name of the group: [A-Za-z0-9_-]{1,64}")
        ->required();
    app.add_option("--workers", options.group.workers, "Number of workers of the group, 2 to 1024")
        ->required();
    app.add_option("--index", texts.index, "This worker's number, from 0")->required();
    app.add_option("--capacity", texts.capacity, "Size of the longest message, 8 to 1GiB")
        ->check(check_bytes)
        ->capture_default_str();
    app.add_option("--slots", texts.slots,
                   "Slots of each channel, at least N+1; 0: by N and capacity")
        ->check(check_count)
        ->capture_default_str();
    app.add_option("--min-interval", texts.min_interval, "Shortest time between two exchanges")
        ->check(check_duration)
        ->capture_default_str();
    app.add_option("--max-interval", texts.max_interval,
                   "Longest time between two exchanges, 1us to 24h")
        ->check(check_duration)
        ->capture_default_str();
    app.add_option("--log-level", texts.log_level, "debug, info, warning or error")
        ->check(check_level)
        ->capture_default_str();
    app.add_option("--log-format", texts.log_format,
                   "human, json, journal, or auto: what fits standard output")
        ->check(check_format)
        ->capture_default_str();
}

/// The options are checked as they are read; their defaults, from the environment, are not.
void require(const char* option, const std::string& wrong) {
    if (!wrong.empty()) {
        throw CLI::ValidationError(option, wrong);
    }
}

/// Throws CLI::ValidationError or shmipc::Error for what no single option can tell.
void apply(Options& options, const Texts& texts) {
    require("--capacity (or SHMIPC_CAPACITY)", check_bytes(texts.capacity));
    require("--slots (or SHMIPC_SLOTS)", check_count(texts.slots));
    require("--log-level (or SHMIPC_LOG_LEVEL)", check_level(texts.log_level));
    require("--log-format (or SHMIPC_LOG_FORMAT)", check_format(texts.log_format));
    options.group.capacity = parse_bytes(texts.capacity).value_or(0);
    options.group.slots = parse_count(texts.slots);
    options.min_interval = parse_duration(texts.min_interval).value_or(options.min_interval);
    options.max_interval = parse_duration(texts.max_interval).value_or(options.max_interval);
    options.log_level = log::parse_level(texts.log_level).value_or(options.log_level);
    options.log_format = log::parse_format(texts.log_format).value_or(options.log_format);
    options.index = WorkerIndex{texts.index};
    options.group.check();
    if (texts.index >= options.group.workers) {
        throw CLI::ValidationError("--index", std::to_string(texts.index) +
                                                  " is not below --workers " +
                                                  std::to_string(options.group.workers));
    }
    if (options.max_interval < kLeastMaxInterval || options.max_interval > kMostInterval) {
        throw CLI::ValidationError("--max-interval",
                                   "'" + texts.max_interval +
                                       "' is not within 1us, below which it would "
                                       "not sleep at all, and 24h");
    }
    if (options.min_interval > options.max_interval) {
        throw CLI::ValidationError("--min-interval", "is longer than --max-interval");
    }
}

}  // namespace

Command parse_options(int argc, char** argv) {
    Command command;
    Texts texts;
    texts.capacity = from_environment(supervision::kCapacityVariable, "64");
    texts.slots = from_environment(supervision::kSlotsVariable, "0");
    texts.log_level = from_environment(supervision::kLogLevelVariable, "debug");
    texts.log_format = from_environment(supervision::kLogFormatVariable, "auto");
    CLI::App app{
        "The stock worker of shmipc: at random intervals it reads every other worker's latest\n"
        "message and publishes its own, a number that is one more than the last one.",
        "shmipc-worker"};
    app.footer(kFooter);
    app.set_version_flag("--version", "shmipc-worker " SHMIPC_VERSION);
    add_options(app, command.options, texts);
    try {
        app.parse(argc, argv);
        apply(command.options, texts);
        command.run = true;
    } catch (const CLI::ParseError& error) {
        const bool asked = app.exit(error, std::cout, std::cerr) == 0;
        command.exit_code = asked ? ExitCode::kOk : ExitCode::kUsage;
    } catch (const Error& error) {
        std::cerr << error.what() << "\nRun with --help for more information.\n";
        command.exit_code = ExitCode::kUsage;
    }
    return command;
}

}  // namespace shmipc::worker
