// The command line of shmipcctl.
#pragma once

#include "failure.hpp"
#include "place.hpp"

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace shmipc::ctl {

enum class Command : std::uint8_t {
    kStatus,
    kWait,
    kStart,
    kStop,
    kRestart,
    kKill,
    kPeek,
    kWatch,
    kAutopsy,
    kTop,
    kConsole,
    kReload,
    kLogLevel,
    kMetrics,
    kClean,
    kVersion,
};

struct Options {
    Place place;
    Command command = Command::kStatus;
    std::string colour = "auto";  ///< auto, always, never
    std::string workers = "all";  ///< as parse_worker_list() reads it
    bool json = false;
    bool check = false;                                          ///< status
    bool failed_only = false;                                    ///< status
    bool ready = false;                                          ///< wait: what for
    std::optional<std::chrono::nanoseconds> timeout;             ///< wait; nothing: for ever
    bool wait = true;                                            ///< start, stop, restart
    int signal = 9;                                              ///< kill
    std::string level;                                           ///< log-level; empty: tell it
    std::chrono::nanoseconds interval{std::chrono::seconds{1}};  ///< top, watch
};

struct CommandLine {
    std::optional<Options> options;  ///< nothing: help was printed, or the command line is wrong
    ExitCode exit_code = ExitCode::kOk;
};

/// Help goes to `out`, errors to `err`.
CommandLine parse_command_line(int argc, const char* const* argv, std::ostream& out,
                               std::ostream& err);

}  // namespace shmipc::ctl
