// What a supervisor and the workers that it starts agree upon: all of it, for whoever writes a
// worker without Worker::attach_from_environment(), a wrapper, or another supervisor.
//
// A worker is born with:
// - the variables below, over those of its supervisor. NOTIFY_SOCKET, JOURNAL_STREAM, WATCHDOG_…
// and
//   LISTEN_… are not among them: they are for the supervisor alone;
// - standard input from /dev/null; standard output and standard error a pipe whose lines the
//   supervisor logs; descriptor kReadyDescriptor; and no other descriptor;
// - every signal at its default, none blocked; a process group of its own, and no terminal; the
//   supervisor's working directory, user, limits and control group, or a control group of its own
//   where the unit delegates one; the soft limit of open files that the supervisor was started
//   with;
// - SIGKILL as soon as its supervisor dies.
//
// It writes one newline to kReadyDescriptor when it does its work, and closes it; or says in shared
// memory that it is ready. Worker::ready() does both. What is written before that newline says
// nothing. SIGTERM asks it to end. Whatever it leaves running goes with it.
//
// Workers and supervisors of different versions meet during an upgrade: what stands here stays.
#pragma once

namespace shmipc::supervision {

/// The group's name; the number of its workers; which of them this one is; the longest message in
/// bytes; the slots of a channel. The last four are decimal numbers.
inline constexpr const char* kGroupVariable = "SHMIPC_GROUP";
inline constexpr const char* kWorkersVariable = "SHMIPC_WORKERS";
inline constexpr const char* kIndexVariable = "SHMIPC_INDEX";
inline constexpr const char* kCapacityVariable = "SHMIPC_CAPACITY";
inline constexpr const char* kSlotsVariable = "SHMIPC_SLOTS";

/// kReadyDescriptor as a number, for scripts: echo >&3.
inline constexpr const char* kReadyVariable = "SHMIPC_READY_FD";
/// Which pipe that is, "device:inode": a number alone is nobody's proof, since wrappers close
/// descriptors, and what is opened next gets the number. As JOURNAL_STREAM of systemd.exec(5).
inline constexpr const char* kReadyPipeVariable = "SHMIPC_READY_PIPE";
inline constexpr int kReadyDescriptor = 3;

/// Whose process this is. Handed on to whatever the worker starts, so that it is found and ended.
inline constexpr const char* kLaunchVariable = "SHMIPC_LAUNCH";

/// How to log: a level of "debug", "info", "warning" and "error"; "human", "json" or "journal".
inline constexpr const char* kLogLevelVariable = "SHMIPC_LOG_LEVEL";
inline constexpr const char* kLogFormatVariable = "SHMIPC_LOG_FORMAT";

/// Exit status of a worker that is not ready yet and finds its identity held by another process
/// (Errc::kIdentityBusy): EX_TEMPFAIL of sysexits.h. It is started again, more and more rarely, and
/// no death is counted. Any other status is a death.
inline constexpr int kIdentityBusyStatus = 75;

}  // namespace shmipc::supervision
