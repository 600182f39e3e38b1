// The lock file of a group: /dev/shm/shmipc.<group>.lock, whose bytes are locked.
//
//     byte 0 … 1023   identity of worker i, for as long as it lives
//          1024       birth and removal of the objects
//          1025       the group's supervisor, whose pid stands in the file
//          1026       making of the lock file itself
//
// Mode 0600, so that nobody but the group's user and root can open it, and with that hold one of
// its locks. The objects cannot do that: others may be meant to read them. It is there as long as
// the group is, and goes with it.
//
// All must lock the same file, also while another user plays with its plain name (names.hpp). So it
// counts only once it says that it is whole; this it is told by whoever holds the making of all
// files that could become it. Each that is linked is linked before its maker looks which there are:
// of two makers the later one to look sees both, and waits for the other. Whoever waits for a byte
// looks afterwards whether the file still has its name, and else starts over.
#pragma once

#include "base/os.hpp"
#include "identity.hpp"
#include <shmipc/ids.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace shmipc::detail {

class LockFile {
  public:
    static constexpr Range kIdentities{.begin = 0, .bytes = kMaxWorkers};
    static constexpr Range kBirth{.begin = kMaxWorkers, .bytes = 1};
    static constexpr Range kSupervisor{.begin = kMaxWorkers + 1, .bytes = 1};
    static constexpr Range kMaking{.begin = kMaxWorkers + 2, .bytes = 1};
    static constexpr Range identity(WorkerIndex index) noexcept {
        return {.begin = static_cast<off_t>(to_number(index)), .bytes = 1};
    }

    /// That of `owner`'s group; for root, also another user's. Throws kNoPermission, kNoSpace,
    /// kSystem; kGroupBusy if somebody has been making it for more than ten seconds.
    static LockFile open_or_make(const std::string& group, uid_t owner);
    /// Nothing: there is none.
    static std::optional<LockFile> open(const std::string& group, uid_t owner);

    [[nodiscard]] int fd() const noexcept { return file_.get(); }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool has_its_name() const noexcept;
    bool lock(Range range, std::chrono::milliseconds timeout) const {
        return lock_exclusively(fd(), timeout, name_, range);
    }
    [[nodiscard]] bool is_locked(Range range) const {
        return detail::is_locked(fd(), name_, range);
    }

    /// Of the last one that held the supervisor's byte; 0: unknown.
    [[nodiscard]] std::uint32_t supervisor() const noexcept;
    void tell_supervisor(std::uint32_t pid) const;

    /// For the holder of the birth byte: removes the file if the group has no objects, and nobody
    /// else holds a byte of it.
    void remove_if_unused(const std::string& group, uid_t owner) const;

  private:
    LockFile(os::Fd file, std::string name) noexcept;
    static std::optional<LockFile> open_plain(const std::string& group, uid_t owner);
    static void make(const std::string& group, uid_t owner);
    static void remove_incomplete(const std::string& group, uid_t owner);
    [[nodiscard]] bool is_whole() const noexcept;
    [[nodiscard]] bool others_may_open() const noexcept;
    void complete() const;

    os::Fd file_;
    std::string name_;
};

}  // namespace shmipc::detail
