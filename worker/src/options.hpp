// Command line of the stock worker.
#pragma once

#include "base/log.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/supervision.hpp>

#include <chrono>
#include <cstdint>

namespace shmipc::worker {

/// What shmipc-worker ends with. The supervisor knows kIdentityBusy; see --help.
enum class ExitCode : std::uint8_t {
    kOk = 0,
    kFailed = 1,
    kUsage = 64,                                       ///< EX_USAGE
    kIdentityBusy = supervision::kIdentityBusyStatus,  ///< this worker is already running
};

struct Options {
    GroupConfig group;
    WorkerIndex index{0};
    /// Between two exchanges, drawn anew each time, uniformly.
    std::chrono::nanoseconds min_interval{std::chrono::microseconds{1}};
    std::chrono::nanoseconds max_interval{std::chrono::seconds{1}};
    log::Level log_level = log::Level::kDebug;
    log::Format log_format = log::Format::kAuto;
};

/// What the command line asks for: to run, or, where it was --help, --version or an error, which
/// has been printed, to exit with a code.
struct Command {
    bool run = false;
    ExitCode exit_code = ExitCode::kOk;
    Options options;
};

/// Some defaults come from the environment that the supervisor sets: see --help.
Command parse_options(int argc, char** argv);

}  // namespace shmipc::worker
