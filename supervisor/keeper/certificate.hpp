// The death certificate of a process: how it ended, and what it left behind. One log line each.
//
// Made when the process is reaped, by its keeper; systemd loses the unit of a process that just
// exited (systemd #2913), so this line is the only one that says all.
#pragma once

#include "base/log.hpp"
#include <shmipc/group.hpp>
#include <shmipc/ids.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

/// In a group of 1,024 workers that hold everything, all that each certificate could name would be
/// hundreds of megabytes.
inline constexpr std::size_t kMostHeldKept = 32;

struct Certificate {
    WorkerIndex worker{0};
    pid_t pid = -1;  ///< −1: there was no process, the system refused the fork
    /// As waitpid(2) gives it; nothing if somebody else reaped the process.
    std::optional<int> status;
    bool executed = true;  ///< false: it never became the worker's program
    std::chrono::nanoseconds uptime{0};
    std::uint32_t incarnation = 0;  ///< 0: it never attached to the group
    std::uint64_t sequence = 0;     ///< last message that this worker published, in any incarnation
    /// Messages that it had in use, kMostHeldKept at the most; empty if it never attached.
    std::vector<HeldMessage> held;
    std::uint64_t held_left_out = 0;  ///< that it had besides
    std::uint64_t restarts = 0;  ///< of this worker since the supervisor started, before this death
    std::chrono::system_clock::time_point time{};   ///< when the death was known, for people
    std::chrono::steady_clock::time_point order{};  ///< the same, for the order of deaths
    bool out_of_memory = false;                     ///< killed by the kernel, as far as it tells
    /// It was told to end by order (stop, restart, roll-out, the end of the group), and did: no
    /// death. A crash on the way down is nobody's order.
    bool ordered = false;
    /// Why this supervisor, or an operator through it, ended the process: "stopped by order",
    /// "it hung". Empty: nobody here did.
    std::string cause;
    /// The last lines that it wrote to its standard output and error, the oldest first; bounded.
    /// Empty if its end was ordered.
    std::vector<std::string> last_output;
    std::string consequence;  ///< what followed: "restarting at once"
};

/// A cause: an operator sent the signal that it died of, and did not ask for its end.
inline constexpr std::string_view kSentByOrder = "sent by order";

/// Notes what a process had in use, as far as it is kept.
void note_held(Certificate& certificate, const std::vector<HeldMessage>& held);

/// The kinds of deaths that are told apart in counts and for machines.
enum class DeathKind : std::uint8_t {
    kExited,
    kKilled,  ///< by a signal, the two below not meant
    kDumped,  ///< by a signal, core dumped
    kOutOfMemory,
    kNotStarted,  ///< there was no process, or it never became the worker's program
    kUnknown,     ///< somebody else took the exit status
};
DeathKind kind_of(const Certificate& certificate) noexcept;
/// "exited", "out_of_memory", …
std::string_view name_of(DeathKind kind) noexcept;
/// Exit status, or the signal's number; nothing where there is none.
std::optional<int> status_of(const Certificate& certificate) noexcept;
/// "KILL", "RT38".
std::string name_of_signal(int signal);

/// "was killed by signal 9 (KILL)", "exited with status 3", with ", core dumped" where it was.
std::string how_it_ended(const Certificate& certificate);

/// "worker 1 (pid 4711) was killed by signal 9 (KILL) after 2.1 s (it hung); <consequence>", and
/// its last line of output, and the messages that it held.
std::string obituary(const Certificate& certificate);

/// Whether a process that was told to end by order ended of it: not if it crashed meanwhile, that
/// is by a signal with which nobody ends a process in order. `status` as waitpid(2) gives it.
bool obeyed(const std::optional<int>& status) noexcept;

/// Logs the obituary as kWorkerExited with all fields.
void log_certificate(const Certificate& certificate, log::Level level,
                     std::chrono::nanoseconds backoff);

}  // namespace shmipc::supervisor
