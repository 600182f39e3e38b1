#include "lock.hpp"

#include "shared/file.hpp"
#include "shared/text.hpp"
#include <shmipc/error.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// Each new try means that another supervisor came and went in between.
constexpr int kMostTries = 100;
constexpr std::uint64_t kMostPid = 1U << 22U;  // PID_MAX_LIMIT

bool same_file(int fd, const std::string& path) noexcept {
    struct stat opened {};
    struct stat named {};
    return ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

pid_t read_pid(int fd) noexcept {
    std::array<char, 16> text{};
    const ssize_t length = os::retry([&] { return ::pread(fd, text.data(), text.size(), 0); });
    const std::string_view line(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    return static_cast<pid_t>(parse_number(line.substr(0, line.find('\n')), kMostPid).value_or(0));
}

void write_pid(int fd, const std::string& path) {
    const std::string text = std::to_string(::getpid()) + "\n";
    os::require("ftruncate(" + path + ")", [&] { return ::ftruncate(fd, 0); });
    os::require("pwrite(" + path + ")", [&] { return ::pwrite(fd, text.data(), text.size(), 0); });
}

struct flock whole_file(short type) noexcept {
    struct flock whole {};
    whole.l_type = type;
    whole.l_whence = SEEK_SET;
    return whole;
}

/// False if another process holds it.
bool try_lock(int fd, const std::string& path) {
    struct flock whole = whole_file(F_WRLCK);
    if (os::retry([&] { return ::fcntl(fd, F_OFD_SETLK, &whole); }) == 0) {
        return true;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return false;
    }
    throw Error::from_errno(Errc::kSystem, errno, "fcntl(F_OFD_SETLK, " + path + ")");
}

/// Whether a supervisor is in the way, or only somebody who could read a file that an earlier
/// version had made for all to read: a read lock asks for no more than that.
bool is_write_locked(int fd, const std::string& path) {
    struct flock whole = whole_file(F_RDLCK);  // would conflict with write locks only
    os::require("fcntl(F_OFD_GETLK, " + path + ")",
                [&] { return ::fcntl(fd, F_OFD_GETLK, &whole); });
    return whole.l_type != F_UNLCK;
}

/// For this user alone: whoever may read the file may hold a lock on it.
os::Fd open_lock(const std::string& path) {
    constexpr mode_t kMode = 0600;
    os::Fd file = open_regular_file(path, O_RDWR | O_CREAT, Links::kRefuse, kMode);
    struct stat status {};
    os::require("fstat(" + path + ")", [&] { return ::fstat(file.get(), &status); });
    if ((status.st_mode & 07777U) != kMode) {
        os::require("chmod(" + path + ")", [&] { return ::fchmod(file.get(), kMode); });
    }
    return file;
}

}  // namespace

void prepare_runtime_directory(const std::string& directory) {
    // Root's is for all to look into; anybody else's is private.
    const mode_t mode = ::geteuid() == 0 ? 0755 : 0700;
    if (::mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) {
        throw Error::from_errno(Errc::kSystem, errno, "runtime directory " + directory + ": mkdir");
    }
    struct stat status {};
    os::require("runtime directory " + directory + ": lstat",
                [&] { return ::lstat(directory.c_str(), &status); });
    if (!S_ISDIR(status.st_mode)) {
        throw Error(Errc::kOtherOwner, "runtime directory " + directory + " is no directory");
    }
    const bool foreign =
        status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    if (foreign) {
        throw Error(Errc::kOtherOwner,
                    "runtime directory " + directory + " belongs to uid " +
                        std::to_string(status.st_uid) +
                        " or may be written to by others: expected "
                        "one that is this user's alone; name another with --runtime-dir, or with "
                        "runtime_dir in the configuration");
    }
}

void open_runtime_directory(const std::string& directory) {
    struct stat status {};
    os::require("runtime directory " + directory + ": lstat",
                [&] { return ::lstat(directory.c_str(), &status); });
    constexpr mode_t kSearch = S_IXUSR | S_IXGRP | S_IXOTH;
    constexpr mode_t kAll = 07777;
    if ((status.st_mode & kSearch) != kSearch) {
        os::require("runtime directory " + directory + ": chmod",
                    [&] { return ::chmod(directory.c_str(), (status.st_mode & kAll) | kSearch); });
    }
}

std::optional<SupervisorLock> SupervisorLock::acquire(const std::string& path, pid_t& holder) {
    for (int attempt = 0; attempt < kMostTries; ++attempt) {
        os::Fd file = open_lock(path);
        if (!try_lock(file.get(), path)) {
            if (is_write_locked(file.get(), path)) {
                holder = read_pid(file.get());
                return std::nullopt;
            }
            // A new one, which he cannot open. Two that do so at once meet at the group's claim.
            if (same_file(file.get(), path)) {
                ::unlink(path.c_str());
            }
            continue;
        }
        // The one before may have removed the file between our open and our lock.
        if (same_file(file.get(), path)) {
            write_pid(file.get(), path);
            return SupervisorLock(std::move(file), path);
        }
    }
    throw Error(Errc::kSystem, "lock " + path + ": the file was replaced " +
                                   std::to_string(kMostTries) + " times while it was being locked");
}

SupervisorLock::SupervisorLock(os::Fd file, std::string path) noexcept
    : file_(std::move(file)), path_(std::move(path)) {}

bool SupervisorLock::has_its_name() const noexcept {
    return same_file(file_.get(), path_);
}

bool SupervisorLock::renew(pid_t& holder) {
    std::optional<SupervisorLock> fresh = acquire(path_, holder);
    if (fresh) {
        file_ = std::move(fresh->file_);
    }
    return fresh.has_value();
}

SupervisorLock::~SupervisorLock() {
    // Only if it is still ours: somebody may have removed the file, and another supervisor made
    // one.
    if (file_ && same_file(file_.get(), path_)) {
        ::unlink(path_.c_str());
    }
}

}  // namespace shmipc::supervisor
