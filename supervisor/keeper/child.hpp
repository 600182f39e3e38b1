// Gives birth to one process, clean of everything that this one is.
//
// Between fork and exec only async-signal-safe calls: all that needs memory is prepared before. The
// child is born with: standard input from /dev/null, standard output and error of the supervisor or
// as the spec says, and /dev/null where the supervisor has none; descriptor 3 to tell readiness
// with, and no other; all signals at their defaults and none blocked; a process group of its own,
// and no terminal (/dev/tty is nobody there); the limit of open files that the supervisor was
// given; SIGKILL as soon as the supervisor dies.
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

/// The write end of the readiness pipe in the child; the value of SHMIPC_READY_FD. A worker writes
/// a newline to it when it is ready, and closes it.
inline constexpr int kReadyDescriptor = 3;

/// Whoever has SHMIPC_READY_FD in his environment gets SHMIPC_READY_PIPE too, which names the pipe
/// as "device:inode": a number alone proves nothing once a wrapper has closed what it stood for.
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
