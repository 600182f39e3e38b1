// Whoever belongs to a worker: the process that we started, and all that came from it, wherever it
// has moved since (another process group, a session of its own) and whoever its parent was.
//
// The supervisor is a subreaper (prctl(2)): what a worker, or a helper of it, leaves behind when it
// dies becomes a child of ours. So when a worker's main process has ended, all that is left of it
// hangs below children of ours that are no workers, the adopted ones; to find them costs a look at
// the list of our own children, and not at all processes. Killing one level of them has the next
// one adopted, until there is none.
//
// Which worker an adopted process came from is told, in this order, by: what an earlier look has
// found (once a second, and at each death; pid and start time are remembered); its process group or
// session, if that is the one that the worker was born with; the mark in its environment
// (SHMIPC_LAUNCH); that it holds the worker's identity, as the worker's object tells. One that has
// shed all of these before anybody looked is nobody's: it is ended with the supervisor. A cgroup a
// worker (cgroup.hpp), where there is one, holds these too.
//
// Only children of ours, which nobody but us reaps, are signalled by their pid: no stranger is hit.
// One thread; nothing here waits.
#pragma once

#include "cgroup.hpp"
#include <shmipc/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

/// A random name for the life of this supervisor: 32 hexadecimal digits.
std::string random_life();
/// The value of supervision::kLaunchVariable, which tells whom a process belongs to:
/// "<life>-<index>".
std::string mark_of(std::string_view life, WorkerIndex worker);
/// What the mark in the text of /proc/<pid>/environ says after the life's name; nothing if there is
/// no mark, or one of another life. The last one counts, as for getenv() in a shell's child.
std::optional<std::string_view> marked(std::string_view environment, std::string_view life);
/// The worker that a mark of this life names; nothing if it names none below `workers`.
std::optional<WorkerIndex> worker_of(std::string_view environment, std::string_view life,
                                     std::size_t workers);

/// What /proc/<pid>/stat tells of a process's place among the others.
struct Placed {
    pid_t parent = 0;
    pid_t group = 0;
    pid_t session = 0;
    std::uint64_t started = 0;  ///< clock ticks since boot: with the pid, a name that is not reused
    friend bool operator==(const Placed&, const Placed&) = default;
};
std::optional<Placed> parse_place(std::string_view stat);
std::optional<Placed> place_of(pid_t pid);

/// Ends a tracing that this process never asked for: a child that calls PTRACE_TRACEME has made us
/// its tracer, and would wait at its next signal for a word from us for ever. `signal` is what it
/// has stopped for; it is handed on.
void let_go(pid_t pid, int signal) noexcept;

class Kin {
  public:
    /// `life`: as the workers' mark has it.
    Kin(std::string life, std::size_t workers);

    /// Makes this process a subreaper, so that what workers leave behind comes to us. False if the
    /// kernel refuses.
    static bool adopt_orphans() noexcept;

    /// A main process was started, or has been reaped. Its number goes on to name its process
    /// group, until the next one is born.
    void born(WorkerIndex worker, pid_t main);
    void buried(WorkerIndex worker);

    /// Where each worker has a control group of its own, what is in it is the worker's too.
    void use_groups(WorkerGroups groups) { worker_groups_ = std::move(groups); }
    [[nodiscard]] const WorkerGroups& groups() const noexcept { return worker_groups_; }

    /// A child of ours that is no worker, and that somebody else looks after; −1: none.
    void leave_alone(pid_t pid) noexcept { left_alone_ = pid; }

    /// Reaps those adopted that have ended, lets go whom this process traces without wanting to,
    /// and finds out whom the others belong to. Main processes are left to their keepers. To be
    /// called after any death. True if there is more to reap than was done in one go.
    bool look();

    /// SIGKILL to what is left of a worker whose main process has been buried. How many there are,
    /// as the last look() found them: 0, nothing is left.
    std::size_t end(WorkerIndex worker);
    /// The same for all that was ever adopted.
    std::size_t end_all();
    /// Pids of what is left of a worker, for people.
    [[nodiscard]] std::vector<pid_t> left_of(WorkerIndex worker) const;

    /// All that is adopted now, with the time when each started.
    [[nodiscard]] std::map<pid_t, std::uint64_t> adopted() const;

    /// Whether the process descends from the worker's main process, or from what was adopted after
    /// it. One that says in the worker's object that it is the worker, and is below us but nobody's
    /// so far, is taken for it from now on.
    bool belongs(WorkerIndex worker, pid_t told);

  private:
    struct Adopted {
        std::uint64_t started = 0;
        pid_t group = 0;
        std::optional<WorkerIndex> worker;
    };

    [[nodiscard]] std::vector<pid_t> adopted_pids() const;
    [[nodiscard]] bool is_main(pid_t pid) const;
    [[nodiscard]] bool is_anothers(pid_t pid) const { return pid == left_alone_ || is_main(pid); }
    [[nodiscard]] std::optional<WorkerIndex> whose(pid_t pid, const Placed& place) const;

    std::string life_;
    std::vector<pid_t> mains_;  ///< by worker; −1: none, or buried
    /// Process groups and sessions that workers were born with: also of buried ones, whose number
    /// stays taken as long as somebody is in the group.
    std::unordered_map<pid_t, WorkerIndex> groups_;
    std::vector<pid_t> group_of_;  ///< by worker
    std::map<pid_t, Adopted> adopted_;
    pid_t left_alone_ = -1;
    WorkerGroups worker_groups_;
};

}  // namespace shmipc::supervisor
