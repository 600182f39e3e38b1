// From configuration to the process that is started for a worker: its program, arguments and
// environment.
//
// Touches nothing but the file system, to find the program.
#pragma once

#include "base/log.hpp"
#include "child.hpp"
#include "config/config.hpp"
#include <shmipc/ids.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace shmipc::supervisor {

/// What all workers of one supervisor get.
struct LaunchContext {
    /// The supervisor's own, not scrubbed yet.
    std::vector<std::string> environment;
    std::string own_directory;         ///< where the supervisor's executable lies
    std::optional<rlimit> open_files;  ///< limit that the supervisor was started with
    /// Never kAuto: a worker cannot find out what the supervisor found.
    log::Format log_format = log::Format::kJson;
    /// Name of this supervisor's life (kin.hpp), for the mark that each worker gets; empty: none.
    std::string life{};
};

/// LaunchContext of this process.
LaunchContext launch_context(log::Format configured);

/// The first word of the command, with the values that its placeholders stand for.
std::string program_name(const Config& config, WorkerIndex index, const WorkerSettings& settings);

/// Path of `program`: as it is if it contains a slash; else beside the supervisor's own executable;
/// else the first executable of that name in PATH. `found` is false, and the name is returned, if
/// there is none.
struct Program {
    std::string path;
    bool found = false;
};
Program find_program(const std::string& program, const LaunchContext& context);

/// Of a program without a slash that is nowhere.
std::string not_found(const std::string& program, const LaunchContext& context);
/// Why the worker's program cannot be executed, with its name in front; empty if nothing speaks
/// against it.
std::string why_not_startable(const Config& config, WorkerIndex index,
                              const WorkerSettings& settings, const LaunchContext& context);

/// The process for worker `index`, which has `settings` of its own: they may be older than those of
/// `config`, while a changed command is being rolled out. `program` is what find_program() gave.
ChildSpec plan_launch(const Config& config, WorkerIndex index, const WorkerSettings& settings,
                      const std::string& program, const LaunchContext& context);

}  // namespace shmipc::supervisor
