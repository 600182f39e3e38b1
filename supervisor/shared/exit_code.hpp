// How shmipc-supervisor ends: the exit codes, which are a contract with service managers and
// scripts. Numbers follow sysexits.h where one fits.
#pragma once

namespace shmipc::supervisor {

enum class ExitCode : int {
    kOk = 0,              ///< stopped in order, by signal, console, or the end of its output
    kUsage = 64,          ///< wrong command line
    kStartFailed = 69,    ///< workers died too often, or were not ready within the start limit
    kInternal = 70,       ///< a bug
    kSystem = 71,         ///< the system refused something: no runtime directory, no memory
    kGroup = 73,          ///< the group's objects cannot be created, opened or removed
    kAlreadyRuns = 75,    ///< another supervisor runs this group
    kWorkersFailed = 76,  ///< workers died too often, and were given up
    kConfig = 78,         ///< the configuration is wrong, or its command cannot be executed
};

constexpr int to_number(ExitCode code) noexcept {
    return static_cast<int>(code);
}

}  // namespace shmipc::supervisor
