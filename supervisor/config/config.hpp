// What shmipc-supervisor is told to do: the keys of shmipc.toml, and command-line options on top.
//
// config/shmipc.toml documents every key with its unit, range and default; the defaults stand here.
// Reading has two steps, since an option may mend or break what the file says: read_config() checks
// each key by itself, check_config() what they say together.
#pragma once

#include "base/log.hpp"
#include "restart_limits.hpp"
#include <shmipc/group.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::supervisor {

/// What is wrong, with "file:line:column: " or the option in front.
class ConfigError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Table [worker], and with what [worker.N] changes the settings of worker N.
struct WorkerSettings {
    /// Program and arguments; {group}, {workers} and {index} stand for the values.
    std::vector<std::string> command{"shmipc-worker", "--group", "{group}", "--workers",
                                     "{workers}",     "--index", "{index}"};
    std::map<std::string, std::string> environment;
    std::chrono::milliseconds start_limit{10'000};  ///< see default_start_limit()
    std::chrono::milliseconds stop_grace{5'000};
    std::chrono::milliseconds heartbeat_limit{30'000};  ///< 0: hung workers are not looked for
    std::chrono::milliseconds core_limit{60'000};

    /// Whether the same process would be started.
    [[nodiscard]] bool same_process(const WorkerSettings& other) const {
        return command == other.command && environment == other.environment;
    }
    friend bool operator==(const WorkerSettings&, const WorkerSettings&) = default;
};

enum class OnFailure : std::uint8_t {
    kContinue,  ///< the others go on
    kExit,      ///< the supervisor stops the group and exits non-zero
};

/// restart.start_requires = "all".
inline constexpr std::uint32_t kAllWorkers = UINT32_MAX;

struct Config {
    GroupConfig group{.name = "shmipc", .workers = 3};
    bool persist = false;
    WorkerSettings worker;
    std::map<std::uint32_t, WorkerSettings> workers;  ///< complete settings of those with a table
    RestartLimits restart;
    OnFailure on_failure = OnFailure::kContinue;
    /// Workers that must be ready for a start to count; with OnFailure::kExit all must.
    std::uint32_t start_requires = 1;
    bool rollback = true;  ///< a worker that fails with a new command gets its old one back
    log::Level log_level = log::Level::kInfo;
    log::Format log_format = log::Format::kAuto;
    std::string metrics_listen;  ///< "127.0.0.1:9464"; empty: no HTTP listener
    std::string observers;       ///< group whose members may look; empty: none
    std::string runtime_dir;     ///< empty: see runtime_dir.hpp
    std::string file;            ///< that it was read from; empty: none

    /// Where a key that is not at its default was set: "shmipc.toml:3:1", "--slots".
    std::map<std::string, std::string> origins;

    [[nodiscard]] const WorkerSettings& settings_of(WorkerIndex index) const;
    /// The longest of all workers.
    [[nodiscard]] std::chrono::milliseconds longest_start_limit() const;
    /// The longest that any worker may take to stop: grace and core together.
    [[nodiscard]] std::chrono::milliseconds longest_stop() const;
    /// The shortest of all workers that have one; 0 if none has.
    [[nodiscard]] std::chrono::milliseconds shortest_heartbeat_limit() const;
};

/// Parses the text of a configuration file; `name` is how errors call it. Throws ConfigError.
Config read_config(std::string_view text, const std::string& name);
/// The same for a file. Throws ConfigError also if it cannot be read.
Config read_config_file(const std::string& path);

/// What start_limit is where nothing is said: 10 s, and more for large groups, since each worker
/// that starts opens the objects of all others, and all of them start at once.
std::chrono::milliseconds default_start_limit(std::uint32_t workers) noexcept;
/// To be called when file and options have been read: sets what depends on them and was not set.
void set_defaults(Config& config);

/// Throws ConfigError if keys contradict each other: slots that do not fit the workers, a table
/// [worker.N] beyond the group, backoff that begins above its maximum, …
void check_config(const Config& config);

}  // namespace shmipc::supervisor
