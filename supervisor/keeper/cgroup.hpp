// A control group for each worker, where the system lets us make some: it holds all that comes from
// a worker, whatever process group, session or environment it gives itself.
//
// Used where systemd has delegated our own group of version 2 to us (Delegate=, which it tells in
// an extended attribute), and the kernel can kill a whole one (cgroup.kill, Linux 5.14). No
// controller is switched on, so that we may stay in the group above. Elsewhere there is none, and
// kin.hpp has to do alone; it goes on to work beside this in any case.
//
// A child moves itself, between fork and exec: what it will fork is born where it belongs. One
// thread; nothing here waits, but the file system's own calls.
#pragma once

#include "base/os.hpp"
#include <shmipc/ids.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace shmipc::supervisor {

/// Path of the group of version 2 in /proc/self/cgroup's text, "/system.slice/x.service"; nothing
/// if there is none, or it is gone ("(deleted)").
std::optional<std::string> unified_group(std::string_view proc_self_cgroup);
/// Whether the text of cgroup.events says that somebody lives in the group.
bool says_populated(std::string_view cgroup_events) noexcept;

class WorkerGroups {
  public:
    /// None.
    WorkerGroups() noexcept = default;
    /// Those below this process's own group, if it is delegated to us; `why_not` is told otherwise,
    /// for the log.
    static WorkerGroups find(std::string& why_not);

    WorkerGroups(WorkerGroups&&) noexcept = default;
    WorkerGroups& operator=(WorkerGroups&&) noexcept = default;
    WorkerGroups(const WorkerGroups&) = delete;
    WorkerGroups& operator=(const WorkerGroups&) = delete;
    ~WorkerGroups() = default;

    [[nodiscard]] bool present() const noexcept { return static_cast<bool>(own_); }
    /// Makes the worker's group if it is not there. Its cgroup.procs, for the child to write "0"
    /// to; empty if that is refused.
    [[nodiscard]] os::Fd make(WorkerIndex worker) const;
    /// SIGKILL to all that is in it, and to what is being forked there. False if nobody is.
    [[nodiscard]] bool end(WorkerIndex worker) const;
    /// It is made again when it is needed. Nothing if somebody is in it.
    void remove(WorkerIndex worker) const noexcept;

  private:
    explicit WorkerGroups(os::Fd own) noexcept : own_(std::move(own)) {}

    os::Fd own_;  ///< the directory of our own group
};

}  // namespace shmipc::supervisor
