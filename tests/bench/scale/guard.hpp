// Runs the measurement in a child process, and clears up behind it whatever becomes of it: an
// exception, a crash, SIGINT or SIGTERM. A group of a thousand processes and objects must not be
// left on somebody's machine.
#pragma once

#include <functional>
#include <string>

namespace shmipc::bench {

/// Where the measurement takes place: one group after another, all of one name.
struct Place {
    std::string group;
    std::string directory;  ///< for the supervisor's runtime directory and its configuration
};

/// Calls `body` in a child process. Returns its result, or EXIT_FAILURE with the reason on standard
/// error; all processes, objects and files of the place are gone then. To be called once, by a
/// process with one thread.
int run_guarded(const std::function<int(const Place&)>& body);

}  // namespace shmipc::bench
