// The interface io.shmipc as Varlink's interface language describes it: what introspection tells,
// and the contract with every client. Its methods are carried out by control.cpp and
// orders.cpp.
#pragma once

#include <string_view>

namespace shmipc::supervisor {

inline constexpr std::string_view kInterface = "io.shmipc";
inline constexpr std::string_view kControlInterface = "io.shmipc.control";

inline constexpr std::string_view kInterfaceDescription =
    R"varlink(# Shows and steers one group of shmipc workers. Times are in microseconds. Workers are
# numbered from 0; a list of workers that is empty or missing stands for all of them.
# Clients that may only look (key observers of the configuration) are answered Start, Stop, Restart,
# Kill, Toggle, Reload, and LogLevel with a level, with org.varlink.service.PermissionDenied.
interface io.shmipc

type Worker (
  index: int,
  # stopped: down by order. starting: launched, not ready yet. running: ready. backoff: dead, starts
  # again after a delay. stopping: told to end, stays down then. restarting: told to end, starts
  # again then. aborting: being killed because it hung or was not ready in time. failed: given up.
  state: (stopped, starting, running, backoff, stopping, restarting, aborting, failed),
  pid: ?int,
  uptime_usec: ?int,
  # Until it is started again.
  backoff_usec: ?int,
  # Lives so far, over all supervisors; 0: it has never attached.
  incarnation: int,
  # Since the supervisor's start. What was ordered is neither a death nor a restart.
  restarts: int,
  deaths: int,
  hangs: int,
  ordered_restarts: int,
  ordered_ends: int,
  # How it ended last: "killed by signal 9 (KILL)".
  last_exit: ?string,
  # Messages published, and new messages acquired, over all incarnations.
  written: int,
  read: int,
  message_age_usec: ?int,
  heartbeat_age_usec: ?int,
  pins_held: int
)

type Held (
  channel: int,
  sequence: int
)

type Death (
  worker: int,
  # CLOCK_REALTIME.
  time_usec: int,
  # Null: there was no process, the system refused it.
  pid: ?int,
  how: (exited, killed, dumped, out_of_memory, not_started, unknown),
  # Exit status, or the signal's number; null where there is none.
  status: ?int,
  # "KILL".
  signal: ?string,
  # Why the supervisor or an operator ended it; null: nobody did.
  cause: ?string,
  # Told to end by order (stop, restart, reload), and did: counted as no death.
  ordered: bool,
  # What followed: "restarting at once".
  consequence: string,
  uptime_usec: int,
  # 0: it had not attached.
  incarnation: int,
  # Of the last message that it had published.
  sequence: int,
  # Messages that it had in use, 32 at the most, and how many more.
  held: []Held,
  held_left_out: int,
  # The last lines of its standard output and error, the oldest first: 10 lines and 2 KiB at the most.
  # Empty if the end was ordered.
  last_output: []string
)

# The state of the group.
method Status() -> (
  group: string,
  pid: int,
  version: string,
  phase: (starting, running, stopping),
  uptime_usec: int,
  # CLOCK_MONOTONIC at the moment of the answer, for rates between two answers.
  time_usec: int,
  # Which workers should be ready and are not, and why: "worker 1 failed: exited with status 3, 11
  # times in a row; workers 0, 2 wait for worker 1". Null: there is none.
  problem: ?string,
  config_file: ?string,
  ready: int,
  workers: []Worker
)

# Starts workers that are down, or wait in backoff; a worker's history of deaths begins anew. The
# answer comes when all are ready; at once with wait = false.
method Start(workers: ?[]int, wait: ?bool) -> ()

# Ends workers: SIGTERM, and SIGKILL after their grace time. They stay down, also over reloads and
# over the supervisor's own death, until they are started. The answer comes when all are down.
method Stop(workers: ?[]int, wait: ?bool) -> ()

# Ends workers and starts them again at once, or starts them if they are down.
method Restart(workers: ?[]int, wait: ?bool) -> ()

# Sends a signal, SIGKILL if none is named; what dies of it is restarted like any other.
method Kill(workers: ?[]int, signal: ?int) -> ()

# Like a worker's number in the console: kills what runs, starts or waits in backoff, and keeps it
# down; starts what is down.
method Toggle(workers: []int) -> ()

# The last deaths of workers, 20 of each at the most, the oldest first. Ends that were ordered are
# among them, and marked; they are the first to be forgotten. With more: all of them, in as many
# answers as it takes, the next when the last is taken. Without: one answer with the last 128 of them,
# and how many were left out.
method Autopsy(workers: ?[]int) -> (deaths: []Death, left_out: int)

# With more: an answer at once with all the workers asked for, then one for each change of state, and
# every interval (100 ms to 1 h; default 1 s) one with the workers of which something changed; with
# all = true, all of them. A client that reads slowly gets the newest state, not a backlog.
method Watch(workers: ?[]int, interval_usec: ?int, all: ?bool) -> (
  time_usec: int,
  workers: []Worker
)

# With more: the supervisor's log, line by line, from now on; event worker_output is a line that a
# worker wrote to its standard output or error. A client that reads slowly loses lines, and is told
# how many.
method Log() -> (
  level: string,
  event: string,
  message: string,
  worker: ?int,
  lost: int
)

# Reads the configuration again. A file that is wrong changes nothing (ConfigInvalid). What can
# change live does; workers whose command or environment changed are restarted one by one, each
# when the last is ready; the answer comes after the last. needs_restart names what takes effect
# only when the supervisor is restarted, warnings what is valid and most likely not meant.
method Reload() -> (applied: []string, rolled: []int, needs_restart: []string, warnings: []string)

# Tells, and with a level sets, the supervisor's log level: debug, info, warning, error. Workers
# get it when they are started next.
method LogLevel(level: ?string) -> (level: string)

# Prometheus text format 0.0.4.
method Metrics() -> (text: string)

error NoSuchWorker (worker: int, workers: int)
error NoSuchSignal (signal: int)
error NotRunning (worker: int)
# A worker that was to start died, was given up, or cannot be executed.
error WorkerFailed (worker: int, reason: string)
# Another order for the worker came before this one was carried out.
error Overridden (worker: int, state: string)
error ConfigInvalid (reason: string)
# The workers in rolled have the new command; worker did not become ready with it, and has its old
# one again if rolled_back; those after it have the old one. What else changed is applied.
error RolloutFailed (worker: int, reason: string, rolled: []int, rolled_back: bool)
error ReloadInProgress ()
# The supervisor is on its way out.
error Stopping ()
)varlink";

/// The bounds of a client, with the numbers of kControlLimits (control.cpp). No methods.
inline constexpr std::string_view kControlDescription =
    R"varlink(# What every client of this socket keeps to, and how it is told if it does not.
#
# Clients: root and the user of the supervisor have 64 connections each, which nobody else can take;
# all other users together 64, and each of them 16 of those. One more is answered TooManyClients.
# A call has 65536 bytes at the most, its NUL included, and objects and lists within each other 16
# deep. A connection makes no more than 100 calls a second, and takes its replies: 10 seconds without
# taking any of one end it, and so do 4 MiB that wait.
# A connection on which there was no call for 60 seconds is closed, between two answers: its client
# sees the end of the stream, and no error; nothing that it asked is lost, and it may connect again.
# One that waits for an answer, or reads a stream, is not idle.
# After each of these errors but UpgradeRefused and OutOfMemory the connection ends.
interface io.shmipc.control

# There are as many connections as may be. The reason says whose.
error TooManyClients (reason: string)
error MessageTooLong (reason: string)
error NotJson (reason: string)
error NotVarlink (reason: string)
# The stream ended in the middle of a call.
error Unfinished (reason: string)
# More calls a second than may be.
error Flood (reason: string)
# Part of a call came, and 60 seconds long not the rest.
error Idle (reason: string)
error UpgradeRefused (reason: string)
# There is no memory for the answer to this call. The supervisor goes on, and so does the connection.
error OutOfMemory ()
)varlink";

}  // namespace shmipc::supervisor
