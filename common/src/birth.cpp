#include "birth.hpp"

#include "base/held_signal.hpp"
#include "identity.hpp"
#include "names.hpp"
#include "remedy.hpp"
#include <shmipc/error.hpp>
#include <shmipc/layout.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace shmipc::detail {

namespace {

constexpr std::chrono::milliseconds kLockTimeout{10'000};
/// Longest time after a death until the kernel has dropped the identity lock.
constexpr std::chrono::milliseconds kDeathTimeout{2'000};

LockFile lock_birth(const std::string& group, uid_t owner) {
    for (;;) {
        LockFile file = LockFile::open_or_make(group, owner);
        if (!file.lock(LockFile::kBirth, kLockTimeout)) {
            throw Error(Errc::kGroupBusy, "another process has been creating or removing group '" +
                                              group + "' for more than 10 s: see who has " +
                                              path_of(file.name()) + " open (lsof)");
        }
        // Its last holder removed the file while we waited: lock the new one.
        if (file.has_its_name()) {
            return file;
        }
    }
}

}  // namespace

GroupLock::GroupLock(const std::string& group, uid_t owner)
    : group_(group), owner_(owner), file_(lock_birth(group, owner)) {}

GroupLock::~GroupLock() {
    if (!keeps_) {
        try {
            file_.remove_if_unused(group_, owner_);
        } catch (const std::exception&) {
            // An empty file more, which the next one takes up, is not worth an error.
        }
    }
    // A child that another thread has forked meanwhile has the same open file.
    unlock(file_.fd());
}

namespace {

constexpr std::size_t kIncarnationOffset =
    offsetof(layout::ProducerPart, vitals) + offsetof(layout::Vitals, incarnation);

/// Whether a worker has ever attached to the object, or is about to: an object that nobody has used
/// is a creator's who died, and can go.
bool was_used(const Segment& segment, WorkerIndex index, const LockFile& locks) {
    std::uint32_t incarnation = 0;
    const auto got = os::require("cannot read " + segment.name(), [&] {
        return pread(segment.fd(), &incarnation, sizeof incarnation, kIncarnationOffset);
    });
    return got != sizeof incarnation || incarnation != 0 ||
           locks.is_locked(LockFile::identity(index)) || is_locked(segment.fd(), segment.name());
}

/// Makes was_used() say no. What cannot be written is not worth an error: the object goes anyway.
void mark_unused(int fd) noexcept {
    const HeldSignal held(SIGXFSZ);  // a limit below what is there already
    constexpr std::uint32_t kNone = 0;
    struct stat status {};
    if (fstat(fd, &status) == 0 &&
        status.st_size >= static_cast<off_t>(sizeof(layout::ProducerPart))) {
        [[maybe_unused]] const auto written =
            pwrite(fd, &kNone, sizeof kNone, static_cast<off_t>(kIncarnationOffset));
    }
}

std::vector<Name> objects_of(const std::string& group, uid_t owner) {
    std::vector<Name> names = names_of(group);
    std::erase_if(names,
                  [&](const Name& name) { return !name.index.has_value() || name.owner != owner; });
    return names;
}

/// Index of the first object that is missing, if the ones that are there are not all of a group.
std::optional<WorkerIndex> first_missing(const std::vector<Name>& found, std::uint32_t workers) {
    std::uint32_t next = 0;
    for (const Name& name : found) {
        next += name.index == WorkerIndex{next} ? 1U : 0U;  // in ascending order
    }
    return next < workers ? std::optional(WorkerIndex{next}) : std::nullopt;
}

/// Under the lock. Removes what a creator that died half-way has left. Returns whether there is a
/// complete group; throws kIncompleteGroup if objects are missing from one that has been used.
bool sweep(const std::string& group, const LockFile& locks) {
    const std::vector<Name> found = objects_of(group, geteuid());
    if (found.empty()) {
        return false;
    }
    const Segment first = Segment::open(group, *found.front().index, Access::kTakePart);
    const auto missing = first_missing(found, first.geometry().workers);
    if (!missing) {
        return true;
    }
    for (const Name& name : found) {
        if (was_used(Segment::open(group, *name.index, Access::kTakePart), *name.index, locks)) {
            throw Error(Errc::kIncompleteGroup,
                        "object '" + object_name(group, *missing) + "' of group '" + group +
                            "' is missing, though the group has been in use: somebody removed it; "
                            "stop the group's workers and remove the rest (" +
                            clean_command(group) + ")");
        }
    }
    for (const Name& name : found) {
        unlink_name(name.file);
    }
    return false;
}

void require_space(const GroupConfig& config) {
    struct statvfs status {};
    const std::string directory = path_of("");
    os::require("cannot look at " + directory, [&] { return statvfs(directory.c_str(), &status); });
    if (status.f_blocks == 0) {
        return;  // a tmpfs without a limit
    }
    const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t needed = config.workers * config.geometry().backed_bytes(page);
    if (needed > free) {
        throw Error(Errc::kNoSpace, "group '" + config.name + "' needs " + describe_bytes(needed) +
                                        " in " + directory + ", where " + describe_bytes(free) +
                                        " are free: free some, enlarge it (mount -o "
                                        "remount,size=…), or use fewer workers, slots or a smaller "
                                        "capacity");
    }
}

Generation create_all(const GroupConfig& config) {
    require_space(config);
    const Generation generation = Generation::random();
    std::vector<std::string> made;
    made.reserve(config.workers);
    try {
        for (std::uint32_t i = 0; i < config.workers; ++i) {
            made.push_back(
                Segment::create(config.name, WorkerIndex{i}, config.geometry(), generation));
        }
    } catch (...) {  // out of memory too: nothing is left behind
        for (const std::string& name : made) {
            unlink_name(name);
        }
        throw;
    }
    return generation;
}

Generation check_all(const GroupConfig& config) {
    const Segment first = Segment::open(config.name, WorkerIndex{0}, Access::kTakePart);
    first.require_geometry(config.geometry());
    for (std::uint32_t i = 1; i < config.workers; ++i) {
        Segment::open(config.name, WorkerIndex{i}, Access::kTakePart, config.geometry(),
                      first.generation());
    }
    return first.generation();
}

}  // namespace

namespace {

bool may_be_passing(Errc code) noexcept {
    return code == Errc::kNoGroup || code == Errc::kGenerationMismatch ||
           code == Errc::kGroupSizeMismatch || code == Errc::kCapacityMismatch ||
           code == Errc::kSlotCountMismatch ||
           // Or another user's names: under the lock it is seen whether anything of ours is there.
           code == Errc::kOtherOwner || code == Errc::kNotAnObject;
}

}  // namespace

Birth ensure_group(const GroupConfig& config) {
    config.check();
    try {
        return {.generation = check_all(config), .created = false};
    } catch (const Error& error) {
        // Not there, or being created or removed at this moment, or left by a creator of other
        // numbers that died half-way: the lock will tell.
        if (!may_be_passing(error.errc())) {
            throw;
        }
    }
    GroupLock lock(config.name);
    if (sweep(config.name, lock.file())) {
        lock.keep();
        return {.generation = check_all(config), .created = false};
    }
    const Generation generation = create_all(config);
    lock.keep();
    return {.generation = generation, .created = true};
}

void undo_birth(const std::string& group, const Generation& generation) noexcept {
    try {
        const GroupLock lock(group);
        const LockFile& locks = lock.file();
        if (!locks.lock(LockFile::kSupervisor, std::chrono::milliseconds{0})) {
            return;
        }
        const std::vector<Name> found = objects_of(group, geteuid());
        for (const Name& name : found) {
            const Segment segment = Segment::open(group, *name.index, Access::kTakePart);
            if (segment.generation() != generation || was_used(segment, *name.index, locks)) {
                return;
            }
        }
        for (const Name& name : found) {
            unlink_name(name.file);
        }
    } catch (const std::exception&) {
        // The error that led here is the one to be told.
    }
}

std::string last_pid(const std::string& group, WorkerIndex index, uid_t owner) {
    const auto object = open_name(object_name(group, index), O_RDONLY, owner);
    return object ? describe_last_pid(object->file.get()) : "";
}

namespace {

Error busy(const std::string& group, WorkerIndex index, const std::string& pid) {
    return {Errc::kGroupBusy, "worker " + std::to_string(to_number(index)) + " of group '" + group +
                                  "' is running" + pid + ": stop it first; nothing was removed"};
}

/// Takes all identities, waiting for those of the dead.
void lock_identities(const std::string& group, uid_t owner, const LockFile& locks) {
    while (!locks.lock(LockFile::kIdentities, std::chrono::milliseconds{0})) {
        const auto held = first_locked(locks.fd(), locks.name(), LockFile::kIdentities);
        if (!held) {
            // Let go just now; or a read lock, which only a program of this user or root can hold.
            if (locks.lock(LockFile::kIdentities, kDeathTimeout)) {
                return;
            }
            if (first_locked(locks.fd(), locks.name(), LockFile::kIdentities)) {
                continue;
            }
            throw Error(Errc::kGroupBusy, "somebody holds a read lock on " + path_of(locks.name()) +
                                              ": see who has it open (lsof); nothing was removed");
        }
        const WorkerIndex index{static_cast<std::uint32_t>(*held)};
        if (!locks.lock(LockFile::identity(index), kDeathTimeout)) {
            throw busy(group, index, last_pid(group, index, owner));
        }
    }
}

bool remove_group_of(const std::string& group, uid_t owner, bool supervised) {
    const GroupLock lock(group, owner);
    const LockFile& locks = lock.file();
    if (!supervised && !locks.lock(LockFile::kSupervisor, std::chrono::milliseconds{0})) {
        const std::uint32_t pid = locks.supervisor();
        throw Error(Errc::kGroupBusy, "a supervisor runs group '" + group + "'" +
                                          (pid != 0 ? " (pid " + std::to_string(pid) + ")" : "") +
                                          ": stop it first; nothing was removed (as a service: "
                                          "systemctl stop " +
                                          unit_of(group) + ")");
    }
    lock_identities(group, owner, locks);
    const std::vector<Name> found = objects_of(group, owner);
    // An older program's workers hold no byte of the lock file, but their objects.
    std::vector<os::Fd> locked;
    locked.reserve(found.size());
    for (const Name& name : found) {
        auto object = open_plain(name.file, O_RDWR, owner);
        if (!object) {
            continue;  // removed by hand just now
        }
        if (!lock_among_writers(object->file.get(), kDeathTimeout, name.file)) {
            throw busy(group, *name.index, describe_last_pid(object->file.get()));
        }
        locked.push_back(std::move(object->file));
    }
    // A death between two of these leaves an incomplete group, which must not look like one from
    // which somebody has removed an object by hand: see sweep().
    for (const os::Fd& file : locked) {
        mark_unused(file.get());
    }
    for (const Name& name : found) {
        unlink_name(name.file);
    }
    return !found.empty();
}

/// Whose groups of that name this user may remove: his own; root everybody's.
std::vector<uid_t> owners_of(const std::string& group) {
    std::vector<uid_t> owners;
    for (const Name& name : names_of(group)) {
        if (geteuid() == 0 || name.owner == geteuid()) {
            owners.push_back(name.owner);
        }
    }
    std::sort(owners.begin(), owners.end());
    owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
    return owners;
}

void require_group_name(const std::string& name) {
    if (!is_group_name(name)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + name + "': expected [A-Za-z0-9_-]{1,64}");
    }
}

}  // namespace

bool remove_group(const std::string& name) {
    require_group_name(name);
    bool removed = false;
    std::optional<Error> refused;
    for (const uid_t owner : owners_of(name)) {
        try {
            removed = remove_group_of(name, owner, false) || removed;
        } catch (const Error& error) {
            // That one user's group runs keeps nobody else's from being removed.
            refused = refused ? refused : error;
        }
    }
    if (refused) {
        throw Error(*refused);
    }
    const std::string first = object_name(name, WorkerIndex{0});
    struct stat status {};
    if (!removed && lstat(path_of(first).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_uid != geteuid() && geteuid() != 0) {
        // To remove the group of somebody else was meant, most likely.
        throw Error(Errc::kOtherOwner, "group '" + name + "' has no objects of this user, and '" +
                                           first + "' " + describe_name(first) +
                                           ": run as that user, or as root");
    }
    return removed;
}

bool remove_own_group(const std::string& name) {
    return remove_group_of(name, geteuid(), true);
}

}  // namespace shmipc::detail
