// Birth and removal of a group: all N objects or none, under one lock.
#pragma once

#include <string>

#include <shmipc/group.hpp>
#include <shmipc/os.hpp>

#include "segment.hpp"

namespace shmipc::detail {

/// The lock under which a group's objects are created and removed: a file beside them that exists
/// only while somebody holds or wants it. A holder that dies leaves an empty file, which the next
/// holder takes up and removes.
class GroupLock {
  public:
    /// Waits up to ten seconds, asleep. Throws kGroupBusy after that.
    explicit GroupLock(const std::string& group);
    ~GroupLock();
    GroupLock(const GroupLock&) = delete;
    GroupLock& operator=(const GroupLock&) = delete;

  private:
    std::string path_;
    os::Fd file_;
};

struct Birth {
    Generation generation;
    bool created = false;  ///< by this call
};

/// Makes sure that all N objects exist, are well, and of one generation. See
/// Group::create_or_open().
Birth ensure_group(const GroupConfig& config);

/// See Group::remove().
bool remove_group(const std::string& name);

}  // namespace shmipc::detail
