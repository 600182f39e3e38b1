// The command line of shmipc-supervisor.
#pragma once

#include "config.hpp"
#include "shared/exit_code.hpp"

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::supervisor {

struct Options {
    std::string config_file;  ///< empty: see load_config()
    bool check_only = false;
    bool console = false;
    /// What the options set, to be applied on top of the file, in any order.
    std::vector<std::function<void(Config&)>> overrides;
    /// What the options alone make, not checked: there is something to log with before the file is
    /// read.
    Config early;
};

/// Options, or how to exit: after --help and --version, which go to `out`, and after errors, which
/// go to `err` with the way to the help.
struct CommandLine {
    std::optional<Options> options;
    ExitCode exit_code = ExitCode::kOk;
};
CommandLine parse_command_line(int argc, const char* const* argv, std::ostream& out,
                               std::ostream& err);

/// Configuration file, defaults and options together, checked. Without --config the file is
/// /etc/shmipc/shmipc.toml, if there is one. Throws ConfigError.
Config load_config(const Options& options);

}  // namespace shmipc::supervisor
