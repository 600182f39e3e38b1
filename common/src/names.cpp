#include "names.hpp"

#include "base/os.hpp"
#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string_view>
#include <tuple>

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc {

std::string object_name(const std::string& group, WorkerIndex index) {
    return "shmipc." + group + "." + std::to_string(to_number(index));
}

}  // namespace shmipc

namespace shmipc::detail {

namespace {

/// Where glibc's shm_open looks; a nameless file can only be made by path.
constexpr const char* kDirectory = "/dev/shm";
constexpr std::size_t kDigits = 16;
/// Two random names of 64 bits that are the same mean that something else is wrong.
constexpr int kMostTries = 10;

/// `name` without the "." and the digits that stand for another's plain name, if it has them.
std::string_view without_digits(std::string_view name) noexcept {
    if (name.size() <= kDigits + 1 || name[name.size() - kDigits - 1] != '.') {
        return name;
    }
    const std::string_view digits = name.substr(name.size() - kDigits);
    const bool all = std::all_of(digits.begin(), digits.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    return all ? name.substr(0, name.size() - kDigits - 1) : name;
}

std::string random_digits() {
    std::uint64_t number = 0;
    if (os::require("cannot get random bytes",
                    [&] { return getrandom(&number, sizeof number, 0); }) != sizeof number) {
        throw Error(Errc::kSystem, "cannot get random bytes: too few");
    }
    std::array<char, kDigits + 1> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(number));
    return digits.data();
}

/// Calls `visit` with each regular file in /dev/shm that begins with `prefix`, and its owner.
template <class Visit>
void for_each_file(const std::string& prefix, Visit&& visit) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(kDirectory), closedir);
    if (directory == nullptr) {
        throw Error::from_errno(Errc::kSystem, errno, std::string("cannot read ") + kDirectory);
    }
    while (const dirent* entry = readdir(directory.get())) {
        const std::string_view name(entry->d_name);
        struct stat status {};
        if (name.starts_with(prefix) &&
            fstatat(dirfd(directory.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode)) {
            visit(name, status.st_uid);
        }
    }
}

}  // namespace

std::string path_of(const std::string& name) {
    return std::string(kDirectory) + "/" + name;
}

std::string lock_name(const std::string& group) {
    return "shmipc." + group + ".lock";
}

std::vector<Name> names_of(const std::string& group) {
    const std::string prefix = "shmipc." + group + ".";
    std::vector<Name> found;
    for_each_file(prefix, [&](std::string_view file, uid_t owner) {
        const std::string_view name = without_digits(file);
        if (name == lock_name(group)) {
            found.push_back({.file = std::string(file), .index = std::nullopt, .owner = owner});
            return;
        }
        const std::string_view digits = name.substr(std::min(prefix.size(), name.size()));
        std::uint32_t index = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), index);
        if (error == std::errc{} && end == digits.data() + digits.size() && index < kMaxWorkers &&
            object_name(group, WorkerIndex{index}) == name) {
            found.push_back(
                {.file = std::string(file), .index = WorkerIndex{index}, .owner = owner});
        }
    });
    std::sort(found.begin(), found.end(), [](const Name& a, const Name& b) {
        const WorkerIndex after_all{kMaxWorkers};
        return std::tuple(a.index.value_or(after_all), std::string_view(a.file)) <
               std::tuple(b.index.value_or(after_all), std::string_view(b.file));
    });
    return found;
}

std::optional<OpenName> open_plain(const std::string& name, int flags, std::optional<uid_t> owner) {
    const std::string path = path_of(name);
    // Not blocking: a pipe would hold us up until somebody writes into it.
    os::Fd file(os::above_standard(os::retry([&] {
        return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    })));
    const int error = errno;
    struct stat status {};
    const bool there = file ? fstat(file.get(), &status) == 0 : lstat(path.c_str(), &status) == 0;
    if (!there || !S_ISREG(status.st_mode) || status.st_uid != owner.value_or(status.st_uid)) {
        return std::nullopt;
    }
    if (!file) {
        if (error == ENOENT) {
            return std::nullopt;  // it came just now
        }
        throw Error::from_errno(Errc::kSystem, error,
                                "cannot open '" + name + "' in " + kDirectory + remedy_of(error));
    }
    return OpenName{.file = std::move(file), .name = name, .owner = status.st_uid};
}

std::optional<OpenName> open_name(const std::string& name, int flags, uid_t owner) {
    if (auto plain = open_plain(name, flags, owner)) {
        return plain;
    }
    for (const Name& each : with_digits(name)) {
        if (each.owner != owner) {
            continue;
        }
        if (auto opened = open_plain(each.file, flags, owner)) {
            return opened;
        }
    }
    return std::nullopt;
}

std::vector<Name> with_digits(const std::string& name) {
    std::vector<Name> found;
    for_each_file(name + ".", [&](std::string_view file, uid_t owner) {
        if (without_digits(file) == name) {
            found.push_back({.file = std::string(file), .index = std::nullopt, .owner = owner});
        }
    });
    std::sort(found.begin(), found.end(),
              [](const Name& a, const Name& b) { return a.file < b.file; });
    return found;
}

std::optional<std::string> give_name(int fd, const std::string& name, uid_t owner) {
    const std::string nameless = "/proc/self/fd/" + std::to_string(fd);
    const auto link = [&](const std::string& as) {
        const std::string path = path_of(as);
        return linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ||
               // No /proc, as in a bare chroot. The call that needs none is root's before 6.10.
               (errno == ENOENT && linkat(fd, "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH) == 0);
    };
    if (link(name)) {
        return name;
    }
    struct stat status {};
    if (errno == EEXIST && lstat(path_of(name).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_uid == owner) {
        return std::nullopt;
    }
    for (int i = 0; i < kMostTries && errno == EEXIST; ++i) {
        const std::string other = name + "." + random_digits();
        if (link(other)) {
            return other;
        }
    }
    const int error = errno;
    if (error == ENOENT && access("/proc/self/fd", F_OK) != 0) {
        throw Error(Errc::kSystem, "cannot link '" + name +
                                       "' in /dev/shm: there is no /proc here, without which only "
                                       "root can: mount it (mount -t proc proc /proc)");
    }
    std::string text = "cannot link '" + name + "' in /dev/shm";
    if (const std::string taken = describe_name(name); !taken.empty()) {
        text += ", where that name " + taken;
        text += " (root can remove it), nor under another name";
    }
    text += remedy_of(error);
    throw Error::from_errno(Errc::kSystem, error, text);
}

bool is_named(int fd, const std::string& name) noexcept {
    struct stat mine {};
    struct stat named {};
    return fstat(fd, &mine) == 0 && lstat(path_of(name).c_str(), &named) == 0 &&
           mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

bool unlink_name(const std::string& name) {
    if (unlink(path_of(name).c_str()) == 0) {
        return true;
    }
    if (errno == ENOENT) {
        return false;
    }
    throw Error::from_errno(Errc::kSystem, errno,
                            "cannot remove '" + name + "' from " + kDirectory + remedy_of(errno));
}

std::string describe_name(const std::string& name) {
    struct stat status {};
    if (lstat(path_of(name).c_str(), &status) != 0) {
        return {};
    }
    std::string text = "belongs to user " + std::to_string(status.st_uid);
    if (!S_ISREG(status.st_mode)) {
        text += ", and is not a regular file";
    }
    return text;
}

std::string remedy_of(int error_number) {
    switch (error_number) {
        case EROFS:
            return " (mount it writable: mount -o remount,rw /dev/shm; a service may have it in "
                   "ReadOnlyPaths=)";
        case ENOSPC:
            return " (free some, or enlarge it: mount -o remount,size=… /dev/shm)";
        default:
            return {};
    }
}

}  // namespace shmipc::detail
