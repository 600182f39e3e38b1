#include "birth.hpp"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <shmipc/error.hpp>
#include <shmipc/layout.hpp>

#include "identity.hpp"

namespace shmipc::detail {

namespace {

constexpr std::chrono::milliseconds kLockTimeout{10'000};
/// Longest time after a death until the kernel has dropped the identity lock.
constexpr std::chrono::milliseconds kDeathTimeout{2'000};

os::Fd open_lock_file(const std::string& path) {
    for (;;) {
        // First without O_CREAT: with it, fs.protected_regular refuses another user's file in a
        // sticky directory for a reason that nobody would guess.
        int fd = os::retry([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW); });
        if (fd < 0 && errno == ENOENT) {
            fd = os::retry([&] {
                return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT | O_EXCL,
                              0660);
            });
            if (fd < 0 && errno == EEXIST) {
                continue;
            }
        }
        if (fd < 0) {
            throw Error::from_errno(Errc::kSystem, errno, "cannot open the group lock " + path);
        }
        return os::Fd(fd);
    }
}

bool is_named(int fd, const std::string& path) noexcept {
    struct stat mine {};
    struct stat named {};
    return fstat(fd, &mine) == 0 && stat(path.c_str(), &named) == 0 &&
           mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

}  // namespace

GroupLock::GroupLock(const std::string& group) : path_(path_of("shmipc." + group + ".lock")) {
    do {
        file_ = open_lock_file(path_);
        if (!lock_exclusively(file_.get(), kLockTimeout, path_)) {
            throw Error(Errc::kGroupBusy, "another process has been creating or removing group '" +
                                              group + "' for more than 10 s: see who has " + path_ +
                                              " open");
        }
        // Its last holder removed the file while we waited: lock the new one.
    } while (!is_named(file_.get(), path_));
}

GroupLock::~GroupLock() {
    unlink(path_.c_str());
}

namespace {

constexpr std::size_t kIncarnationOffset =
    offsetof(layout::ProducerPart, vitals) + offsetof(layout::Vitals, incarnation);

/// Whether a worker has ever attached to the object, or is about to: an object that nobody has used
/// is a creator's who died, and can go.
bool was_used(const Segment& segment) {
    std::uint32_t incarnation = 0;
    const auto got = os::require("cannot read " + segment.name(), [&] {
        return pread(segment.fd(), &incarnation, sizeof incarnation, kIncarnationOffset);
    });
    return got != sizeof incarnation || incarnation != 0 || is_locked(segment.fd(), segment.name());
}

/// Makes was_used() say no. What cannot be written is not worth an error: the object goes anyway.
void mark_unused(int fd) noexcept {
    constexpr std::uint32_t kNone = 0;
    struct stat status {};
    if (fstat(fd, &status) == 0 &&
        status.st_size >= static_cast<off_t>(sizeof(layout::ProducerPart))) {
        [[maybe_unused]] const auto written =
            pwrite(fd, &kNone, sizeof kNone, static_cast<off_t>(kIncarnationOffset));
    }
}

/// Index of the first object that is missing, if the ones that are there are not all of a group.
std::optional<WorkerIndex> first_missing(const std::vector<WorkerIndex>& found,
                                         std::uint32_t workers) {
    for (std::uint32_t i = 0; i < workers; ++i) {
        if (i >= found.size() || found[i] != WorkerIndex{i}) {
            return WorkerIndex{i};
        }
    }
    return std::nullopt;
}

/// Under the lock. Removes what a creator that died half-way has left. Returns whether there is a
/// complete group; throws kIncompleteGroup if objects are missing from one that has been used.
bool sweep(const std::string& group) {
    const std::vector<WorkerIndex> found = list_objects(group);
    if (found.empty()) {
        return false;
    }
    const Segment first = Segment::open(group, found.front(), Access::kTakePart);
    const auto missing = first_missing(found, first.geometry().workers);
    if (!missing) {
        return true;
    }
    for (const WorkerIndex index : found) {
        if (was_used(Segment::open(group, index, Access::kTakePart))) {
            throw Error(Errc::kIncompleteGroup,
                        "object '" + object_name(group, *missing) + "' of group '" + group +
                            "' is missing, though the group has been in use: somebody removed it; "
                            "stop the group's workers and remove the rest (shmipcctl clean)");
        }
    }
    for (const WorkerIndex index : found) {
        unlink_object(object_name(group, index));
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
    std::uint32_t made = 0;
    try {
        for (; made < config.workers; ++made) {
            Segment::create(config.name, WorkerIndex{made}, config.geometry(), generation);
        }
    } catch (const Error&) {
        for (std::uint32_t i = 0; i < made; ++i) {
            unlink_object(object_name(config.name, WorkerIndex{i}));
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
           code == Errc::kSlotCountMismatch;
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
    const GroupLock lock(config.name);
    if (sweep(config.name)) {
        return {.generation = check_all(config), .created = false};
    }
    return {.generation = create_all(config), .created = true};
}

bool remove_group(const std::string& name) {
    if (!is_group_name(name)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + name + "': expected [A-Za-z0-9_-]{1,64}");
    }
    const GroupLock lock(name);
    const std::vector<WorkerIndex> found = list_objects(name);
    std::vector<os::Fd> locked;
    locked.reserve(found.size());
    for (const WorkerIndex index : found) {
        const std::string object = object_name(name, index);
        os::Fd file(os::require("cannot open object '" + object + "'", [&] {
            return ::open(path_of(object).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        }));
        if (!lock_exclusively(file.get(), kDeathTimeout, object)) {
            throw Error(Errc::kGroupBusy, "worker " + std::to_string(to_number(index)) +
                                              " of group '" + name + "' is running" +
                                              describe_last_pid(file.get()) +
                                              ": stop it first; nothing was removed");
        }
        locked.push_back(std::move(file));
    }
    // A death between two of these leaves an incomplete group, which must not look like one from
    // which somebody has removed an object by hand: see sweep().
    for (const os::Fd& file : locked) {
        mark_unused(file.get());
    }
    for (const WorkerIndex index : found) {
        unlink_object(object_name(name, index));
    }
    return !found.empty();
}

}  // namespace shmipc::detail
