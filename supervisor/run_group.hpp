// The parts of a running supervisor, and how they are wired: the group's objects, the supervisor of
// its workers, the control socket, the metrics listener, the console.
#pragma once

#include "base/log.hpp"
#include "config/config.hpp"
#include "config/options.hpp"
#include "daemon/lock.hpp"
#include "daemon/service_manager.hpp"
#include "keeper/launch.hpp"
#include "shared/exit_code.hpp"

#include <string>

namespace shmipc::supervisor {

/// Files of one group in the runtime directory.
struct RuntimeFiles {
    std::string directory;
    std::string lock;
    std::string control;   ///< the socket
    std::string stopped;   ///< operator_stops.hpp
    std::string life;      ///< former_life.hpp
    std::string failures;  ///< start_failures.hpp

    RuntimeFiles(const std::string& own_directory, const std::string& group);
};

struct DaemonSetup {
    const Options& options;  ///< read again at each reload
    const Config& config;
    const LaunchContext& context;
    const RuntimeFiles& files;
    SupervisorLock& lock;
    ServiceManager& manager;
};

/// Takes up the group, runs it until it ends, and leaves it. The caller holds the supervisor's
/// lock. Throws Error if something is refused before the first worker is started; objects that were
/// made for it are gone then.
ExitCode run_group(const DaemonSetup& setup);

/// Says why this ends, to the log and to whoever asks the service manager; returns `code`.
ExitCode fail(ServiceManager& manager, ExitCode code, log::Event event, const std::string& text);

/// How this program logs.
log::Options log_options(const Config& config);

}  // namespace shmipc::supervisor
