#include "config_warnings.hpp"

#include "placeholders.hpp"
#include "shared/excerpt.hpp"
#include "shared/text.hpp"
#include <shmipc/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <map>

namespace shmipc::supervisor {
namespace {

/// Who has made the same mistake for each worker need not be told a thousand times.
constexpr std::size_t kMostWarnings = 8;

/// Of a list of workers, in bytes.
constexpr std::size_t kMostNames = 120;

std::string table_of(std::uint32_t index) {
    return "worker." + std::to_string(index);
}

std::string place(const Config& config, const std::string& key) {
    const auto origin = config.origins.find(key);
    return origin != config.origins.end() ? origin->second + ": " : "";
}

/// Workers that run the stock program only because nobody gave them one.
void warn_of_forgotten(const Config& config, std::vector<std::string>& warnings) {
    if (config.origins.count("worker.command") != 0) {
        return;  // somebody said what all others run
    }
    std::vector<WorkerIndex> own;
    std::vector<WorkerIndex> forgotten;
    for (std::uint32_t index = 0; index < config.group.workers; ++index) {
        const bool given = config.origins.count(table_of(index) + ".command") != 0;
        (given ? own : forgotten).push_back(WorkerIndex{index});
    }
    if (own.empty() || forgotten.empty()) {
        return;
    }
    const std::string first = table_of(to_number(forgotten.front()));
    const bool one = forgotten.size() == 1;
    warnings.push_back(place(config, table_of(to_number(own.front())) + ".command") +
                       "nobody gave " + excerpt(name_workers(forgotten), kMostNames) +
                       (one ? " a command: it runs" : " a command: they run") + " the stock " +
                       config.worker.command.front() + ", unlike " +
                       excerpt(name_workers(own), kMostNames) + "; set command in [" + first +
                       "], or in [worker] for all that have none, or lower 'workers', which is " +
                       std::to_string(config.group.workers));
}

void warn_of_doubtful(const Config& config, const std::string& key,
                      const std::vector<std::string>& command, std::vector<std::string>& warnings) {
    for (const std::string& argument : command) {
        if (const auto doubtful = doubtful_placeholder(argument)) {
            warnings.push_back(place(config, key) + "'" + key + "' has " + *doubtful +
                               ", which stands for nothing and is handed on as it is: expected "
                               "{group}, {workers} or {index}, or {" +
                               *doubtful + "} for what is another program's");
            return;
        }
    }
}

void warn_of_environment(const Config& config, const std::string& table,
                         const std::map<std::string, std::string>& environment,
                         std::vector<std::string>& warnings) {
    for (const auto& [name, value] : environment) {
        if (has_placeholder(value)) {
            warnings.push_back(place(config, table + ".environment") + "'" + table +
                               ".environment' has a placeholder in " + excerpt(name, 64) +
                               ", which is handed on as it is: the values are in SHMIPC_GROUP, "
                               "SHMIPC_WORKERS and SHMIPC_INDEX");
            return;
        }
    }
}

}  // namespace

std::vector<std::string> warnings_of(const Config& config) {
    std::vector<std::string> warnings;
    warn_of_forgotten(config, warnings);
    warn_of_doubtful(config, "worker.command", config.worker.command, warnings);
    warn_of_environment(config, "worker", config.worker.environment, warnings);
    for (const auto& [index, settings] : config.workers) {
        if (warnings.size() >= kMostWarnings) {
            break;
        }
        if (settings.command != config.worker.command) {
            warn_of_doubtful(config, table_of(index) + ".command", settings.command, warnings);
        }
        if (settings.environment != config.worker.environment) {
            warn_of_environment(config, table_of(index), settings.environment, warnings);
        }
    }
    return warnings;
}

}  // namespace shmipc::supervisor
