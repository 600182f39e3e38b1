// Birth and removal of a group: all N objects or none, under one lock.
#pragma once

#include "lock_file.hpp"
#include "segment.hpp"
#include <shmipc/group_config.hpp>

#include <string>

#include <sys/types.h>
#include <unistd.h>

namespace shmipc::detail {

/// The lock under which a group's objects are created and removed: a byte of its lock file. A
/// holder that dies leaves nothing but that file, perhaps without objects, which the next one takes
/// up.
class GroupLock {
  public:
    /// Waits up to ten seconds, asleep. Throws kGroupBusy after that.
    explicit GroupLock(const std::string& group, uid_t owner = geteuid());
    /// Removes the lock file with the last object.
    ~GroupLock();
    GroupLock(const GroupLock&) = delete;
    GroupLock& operator=(const GroupLock&) = delete;

    [[nodiscard]] const LockFile& file() const noexcept { return file_; }
    /// There are objects: the destructor need not look for some.
    void keep() noexcept { keeps_ = true; }

  private:
    std::string group_;
    uid_t owner_;
    LockFile file_;
    bool keeps_ = false;
};

struct Birth {
    Generation generation;
    bool created = false;  ///< by this call
};

/// Makes sure that all N objects exist, are well, and of one generation. See
/// Group::create_or_open().
Birth ensure_group(const GroupConfig& config);

/// For who could not use the group that it has just made: removes it again, unless somebody else
/// takes part by now, or a supervisor runs it. If that cannot be done either, a whole group stays,
/// which the next one takes up.
void undo_birth(const std::string& group, const Generation& generation) noexcept;

/// See Group::remove().
bool remove_group(const std::string& name);

/// The same for the supervisor of the group, who holds its byte of the lock file.
bool remove_own_group(const std::string& name);

/// " (last known pid 4711)" of worker `index`, from its object if there is one; or nothing.
std::string last_pid(const std::string& group, WorkerIndex index, uid_t owner);

}  // namespace shmipc::detail
