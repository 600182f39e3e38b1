#include "config.hpp"

#include "listen_address.hpp"
#include "placeholders.hpp"
#include "shared/excerpt.hpp"
#include "shared/file.hpp"
#include "shared/text.hpp"
#include "toml_depth.hpp"
#include "toml_reader.hpp"
#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/supervision.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace shmipc::supervisor {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

/// Variables that the supervisor sets itself; setting them here would do nothing, silently.
constexpr std::string_view kReserved[] = {
    supervision::kGroupVariable,     supervision::kWorkersVariable,  supervision::kIndexVariable,
    supervision::kSlotsVariable,     supervision::kCapacityVariable, supervision::kReadyVariable,
    supervision::kReadyPipeVariable, supervision::kLaunchVariable};

/// Of a file: a thousand workers with tables of their own take a tenth of it.
constexpr std::size_t kMostConfigBytes = std::size_t{1} << 20U;
/// What a configuration says nests four levels deep.
constexpr std::size_t kMostDepth = 32;
/// Of an error: a key or a value may be as long as the file.
constexpr std::size_t kMostErrorText = 1000;

/// Two of the beats that a worker gives while it waits (AttachOptions::heartbeat_interval).
constexpr milliseconds kLeastHeartbeatLimit{500};

void read_settings(TomlReader& reader, WorkerSettings& settings) {
    reader.read("command", settings.command);
    if (settings.command.empty() || settings.command.front().empty()) {
        reader.fail("command", "is empty: expected a program and its arguments");
    }
    std::map<std::string, std::string> environment;
    reader.read("environment", environment);
    for (const auto& [name, value] : environment) {
        if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
            reader.fail("environment", "has '" + name + "', which cannot be a variable's name");
        }
        if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) {
            reader.fail("environment", "has '" + name + "', which the supervisor sets itself");
        }
        settings.environment[name] = value;
    }
    reader.read("start_limit", settings.start_limit, 10ms, 1h);
    reader.read("stop_grace", settings.stop_grace, 0ms, 1h);
    reader.read("heartbeat_limit", settings.heartbeat_limit, 0ms, 24h);
    if (settings.heartbeat_limit != 0ms && settings.heartbeat_limit < kLeastHeartbeatLimit) {
        reader.fail("heartbeat_limit", "is \"" + to_text(settings.heartbeat_limit) +
                                           "\": expected 0s, which switches it off, or " +
                                           to_text(kLeastHeartbeatLimit) +
                                           " … 24h: an idle worker beats every 250ms");
    }
    reader.read("core_limit", settings.core_limit, 0ms, 1h);
}

void read_workers(TomlReader& root, const std::string& file, Config& config) {
    const toml::table* table = root.table("worker");
    if (table == nullptr) {
        return;
    }
    TomlReader reader(*table, "worker", file, config.origins);
    read_settings(reader, config.worker);
    for (const auto& [index, overrides] : reader.numbered_tables(kMaxWorkers - 1)) {
        TomlReader own(*overrides, "worker." + std::to_string(index), file, config.origins);
        WorkerSettings settings = config.worker;
        read_settings(own, settings);
        own.finish();
        config.workers.emplace(index, settings);
    }
    reader.finish();
}

void read_restart(TomlReader& root, const std::string& file, Config& config) {
    const toml::table* table = root.table("restart");
    if (table == nullptr) {
        return;
    }
    TomlReader reader(*table, "restart", file, config.origins);
    RestartLimits& limits = config.restart;
    reader.read("initial", limits.initial, 1ms, 1h);
    reader.read("maximum", limits.maximum, 1ms, 24h);
    reader.read("factor", limits.factor, 1.0, 100.0);
    reader.read("jitter", limits.jitter, 0.0, 0.9);
    reader.read("stable_after", limits.stable_after, 0ms, 24h);
    reader.read("max_restarts", limits.max_restarts, 0, 100'000);
    reader.read("window", limits.window, 1ms, 24h);
    std::string word = "continue";
    reader.read_word("on_failure", word, {"continue", "exit"});
    config.on_failure = word == "exit" ? OnFailure::kExit : OnFailure::kContinue;
    reader.read_or_word("start_requires", config.start_requires, 1, kMaxWorkers, "all",
                        kAllWorkers);
    reader.read("rollback", config.rollback);
    reader.finish();
}

void read_log(TomlReader& root, const std::string& file, Config& config) {
    const toml::table* table = root.table("log");
    if (table == nullptr) {
        return;
    }
    TomlReader reader(*table, "log", file, config.origins);
    std::string level(log::name_of(config.log_level));
    std::string format(log::name_of(config.log_format));
    reader.read_word("level", level, {"debug", "info", "warning", "error"});
    reader.read_word("format", format, {"auto", "human", "json", "journal"});
    config.log_level = log::parse_level(level).value_or(config.log_level);
    config.log_format = log::parse_format(format).value_or(config.log_format);
    reader.finish();
}

void read_metrics(TomlReader& root, const std::string& file, Config& config) {
    const toml::table* table = root.table("metrics");
    if (table == nullptr) {
        return;
    }
    TomlReader reader(*table, "metrics", file, config.origins);
    reader.read("listen", config.metrics_listen);
    if (const std::string wrong = wrong_with_listen_address(config.metrics_listen);
        !config.metrics_listen.empty() && !wrong.empty()) {
        reader.fail("listen", "is \"" + config.metrics_listen + "\": " + wrong);
    }
    reader.finish();
}

[[noreturn]] void fail(const Config& config, const std::string& key, const std::string& text) {
    const auto origin = config.origins.find(key);
    throw ConfigError((origin != config.origins.end() ? origin->second + ": " : "") + "'" + key +
                      "' " + text);
}

void check_command(const Config& config, const std::string& key,
                   const std::vector<std::string>& command) {
    for (const std::string& argument : command) {
        if (const auto wrong = wrong_placeholder(argument)) {
            fail(config, key,
                 "has " + wrong->text + ", which stands for nothing: did you mean " + wrong->meant +
                     "? What is not for the supervisor is written {" + wrong->text + "}, or $" +
                     wrong->text + " for a shell");
        }
    }
}

}  // namespace

const WorkerSettings& Config::settings_of(WorkerIndex index) const {
    const auto own = workers.find(to_number(index));
    return own != workers.end() ? own->second : worker;
}

milliseconds Config::longest_start_limit() const {
    milliseconds longest = worker.start_limit;
    for (const auto& [index, settings] : workers) {
        longest = std::max(longest, settings.start_limit);
    }
    return longest;
}

milliseconds Config::longest_stop() const {
    milliseconds longest = worker.stop_grace + worker.core_limit;
    for (const auto& [index, settings] : workers) {
        longest = std::max(longest, settings.stop_grace + settings.core_limit);
    }
    return longest;
}

milliseconds Config::shortest_heartbeat_limit() const {
    milliseconds shortest = worker.heartbeat_limit;
    for (const auto& [index, settings] : workers) {
        if (shortest == 0ms ||
            (settings.heartbeat_limit != 0ms && settings.heartbeat_limit < shortest)) {
            shortest = settings.heartbeat_limit;
        }
    }
    return shortest;
}

Config read_config(std::string_view text, const std::string& name) {
    Config config;
    if (const auto place = deeper_than(text, kMostDepth)) {
        throw ConfigError(name + ":" + std::to_string(place->line) + ":" +
                          std::to_string(place->column) + ": nests deeper than " +
                          std::to_string(kMostDepth) + " levels, and no key does");
    }
    try {
        const toml::table table = toml::parse(text);
        TomlReader reader(table, "", name, config.origins);
        reader.read("group", config.group.name);
        if (!is_group_name(config.group.name)) {
            reader.fail("group", "is \"" + config.group.name +
                                     "\": expected 1 … 64 characters of A-Z, a-z, 0-9, '_', '-'");
        }
        reader.read("workers", config.group.workers, kMinWorkers, kMaxWorkers);
        reader.read_bytes("capacity", config.group.capacity, kMinCapacity, kMaxCapacity);
        reader.read("slots", config.group.slots, 0, layout::Geometry::maximum_slots(kMaxWorkers));
        reader.read("persist", config.persist);
        reader.read("runtime_dir", config.runtime_dir);
        if (!config.runtime_dir.empty() && config.runtime_dir.front() != '/') {
            reader.fail("runtime_dir",
                        "is \"" + config.runtime_dir + "\": expected an absolute path");
        }
        reader.read("observers", config.observers);
        read_workers(reader, name, config);
        read_restart(reader, name, config);
        read_log(reader, name, config);
        read_metrics(reader, name, config);
        reader.finish();
    } catch (const toml::parse_error& error) {
        const toml::source_position place = error.source().begin;
        throw ConfigError(name + ":" + std::to_string(place.line) + ":" +
                          std::to_string(place.column) + ": " +
                          excerpt(error.description(), kMostErrorText));
    } catch (const ConfigError& error) {
        throw ConfigError(excerpt(error.what(), kMostErrorText));
    }
    return config;
}

Config read_config_file(const std::string& path) {
    std::string text;
    try {
        // The usual name for no file at all: nothing is opened for it.
        if (path != "/dev/null") {
            text = read_regular_file(path, kMostConfigBytes, Links::kFollow);
        }
    } catch (const Error& error) {
        throw ConfigError(error.text());
    }
    Config config = read_config(text, path);
    config.file = path;
    return config;
}

milliseconds default_start_limit(std::uint32_t workers) noexcept {
    // 1,024 need some 24 s on an idle machine: this is eight times as long.
    constexpr milliseconds kEach{200};
    return std::max<milliseconds>(10s, kEach * workers);
}

void set_defaults(Config& config) {
    if (config.origins.count("worker.start_limit") != 0) {
        return;
    }
    config.worker.start_limit = default_start_limit(config.group.workers);
    for (auto& [index, settings] : config.workers) {
        if (config.origins.count("worker." + std::to_string(index) + ".start_limit") == 0) {
            settings.start_limit = config.worker.start_limit;
        }
    }
}

void check_config(const Config& config) {
    const std::uint32_t workers = config.group.workers;
    const std::uint32_t least = layout::Geometry::minimum_slots(workers);
    const std::uint32_t most = layout::Geometry::maximum_slots(workers);
    if (config.group.slots != 0 && (config.group.slots < least || config.group.slots > most)) {
        fail(config, "slots",
             "is " + std::to_string(config.group.slots) + ": with " + std::to_string(workers) +
                 " workers expected " + std::to_string(least) + " … " + std::to_string(most) +
                 ", or 0 for " +
                 std::to_string(layout::Geometry::default_slots(workers, config.group.capacity)));
    }
    for (const auto& [index, settings] : config.workers) {
        if (index >= workers) {
            fail(config, "worker." + std::to_string(index),
                 "is beyond the group: its " + std::to_string(workers) + " workers are 0 … " +
                     std::to_string(workers - 1));
        }
    }
    if (config.start_requires != kAllWorkers && config.start_requires > workers) {
        fail(config, "restart.start_requires",
             "is " + std::to_string(config.start_requires) + ": the group has " +
                 std::to_string(workers) + " workers; expected 1 … " + std::to_string(workers) +
                 ", or \"all\"");
    }
    check_command(config, "worker.command", config.worker.command);
    for (const auto& [index, settings] : config.workers) {
        check_command(config, "worker." + std::to_string(index) + ".command", settings.command);
    }
    if (config.restart.initial > config.restart.maximum) {
        const bool initial_set = config.origins.count("restart.initial") != 0;
        fail(config, initial_set ? "restart.initial" : "restart.maximum",
             "contradicts: backoff begins at " + to_text(config.restart.initial) +
                 ", above its maximum of " + to_text(config.restart.maximum));
    }
}

}  // namespace shmipc::supervisor
