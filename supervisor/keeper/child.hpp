// Gives birth to one process, clean of everything that this one is.
//
// Between fork and exec only async-signal-safe calls: all that needs memory is prepared before.
// What the child is born with, <shmipc/supervision.hpp> tells; its standard output and error are
// the supervisor's or as the spec says, and /dev/null where the supervisor has none.
//
// One thread: the death signal is bound to the thread that forks.
#pragma once

#include "base/os.hpp"

#include <optional>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

namespace shmipc::supervisor {

/// Whoever has supervision::kReadyVariable in his environment gets kReadyPipeVariable too.
struct ChildSpec {
    std::string program;                   ///< a path; not looked up
    std::vector<std::string> arguments;    ///< argv, its first included
    std::vector<std::string> environment;  ///< "NAME=value"; what is added: see above
    std::optional<rlimit> open_files;      ///< to restore in the child
    /// cgroup.procs of the control group to live in (cgroup.hpp); −1: the supervisor's.
    int group_procs = -1;
    int output = -1;  ///< standard output and error; −1: the supervisor's
};

struct Child {
    pid_t pid = -1;
    os::Fd pidfd;  ///< readable when the process has ended; empty if the system had none left
    os::Fd ready;  ///< read end of the readiness pipe, non-blocking
    /// Read end of a pipe that closes at exec, non-blocking: see exec_error().
    os::Fd exec;
};

/// Throws Error (kSystem) if the system refuses the fork, or what it needs. Whether exec succeeds
/// turns out later: the call does not wait for it.
Child spawn(const ChildSpec& spec);

/// The errno with which exec failed, told through Child::exec by a child that has ended; nothing if
/// exec succeeded, or the child died before it.
std::optional<int> exec_error(const os::Fd& exec) noexcept;

}  // namespace shmipc::supervisor
