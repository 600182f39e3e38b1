// What the kernel tells of a process through /proc, without asking the process anything.
//
// Of a pid that is a child of ours and not reaped yet: otherwise it may be somebody else's by now.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

struct ProcessSight {
    char state = '?';                 ///< R, S, D, T (stopped), t (traced), Z, … as proc(5) says
    std::chrono::nanoseconds cpu{0};  ///< user and system time of all its threads, to a clock tick
    pid_t tracer = 0;                 ///< pid of a debugger; 0: none
    bool core_dumping = false;        ///< the kernel is writing its core
};

/// Nothing if there is no such process, or /proc is not to be read.
std::optional<ProcessSight> look_at(pid_t pid);

/// From the texts of /proc/<pid>/stat and /proc/<pid>/status. `ticks`: clock ticks a second.
std::optional<ProcessSight> parse_sight(std::string_view stat, std::string_view status, long ticks);

/// What keeps a process from getting on, for a sentence that begins with "it": it is stopped, or
/// traced; empty if neither.
std::string describe_hindrance(const ProcessSight& sight);

/// The processes below `pid`, itself first; `most` at the most. As the kernel tells them through
/// /proc at this moment: they are looked at, and never signalled.
std::vector<pid_t> family_of(pid_t pid, std::size_t most);

/// What a process that gives no sign of life is doing, for a sentence that begins with "it":
/// "is stopped by a signal", "has used 2.9 s of CPU time meanwhile: it spins", … `cpu` is what it
/// has used in `silence`.
std::string describe_silence(const ProcessSight& sight, std::chrono::nanoseconds cpu,
                             std::chrono::nanoseconds silence);

}  // namespace shmipc::supervisor
