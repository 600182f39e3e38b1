#include "file.hpp"

#include <shmipc/error.hpp>

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr std::size_t kKibi = 1024;

const char* kind_of(mode_t mode) noexcept {
    switch (mode & static_cast<mode_t>(S_IFMT)) {
        case S_IFDIR:
            return "a directory";
        case S_IFIFO:
            return "a FIFO";
        case S_IFSOCK:
            return "a socket";
        case S_IFCHR:
        case S_IFBLK:
            return "a device";
        case S_IFLNK:
            return "a symbolic link";
        default:
            return "of an unknown kind";
    }
}

[[noreturn]] void refuse(const std::string& what) {
    throw Error::from_errno(Errc::kSystem, errno, what);
}

/// Throws an Error that begins with `what`.
void require_regular(int fd, const std::string& what) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        refuse(what);
    }
    if (!S_ISREG(status.st_mode)) {
        throw Error(Errc::kSystem,
                    what + ": it is " + kind_of(status.st_mode) + ", expected a regular file");
    }
}

std::string size_text(std::size_t bytes) {
    const bool mebi = bytes % (kKibi * kKibi) == 0;
    return mebi ? std::to_string(bytes / kKibi / kKibi) + " MiB"
                : std::to_string(bytes / kKibi) + " KiB";
}

os::Fd open_file(const std::string& path, int flags, Links links, unsigned mode,
                 const std::string& what) {
    const int follow = links == Links::kRefuse ? O_NOFOLLOW : 0;
    // Opens nothing but the name: whatever is there neither waits nor acts.
    const os::Fd look(os::retry([&] { return ::open(path.c_str(), O_PATH | O_CLOEXEC | follow); }));
    if (look) {
        require_regular(look.get(), what);
    } else if (errno != ENOENT || (flags & O_CREAT) == 0) {
        refuse(what);
    }
    // What was swapped in meanwhile does not wait either.
    os::Fd file(os::retry([&] {
        return ::open(path.c_str(), flags | follow | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
    }));
    if (!file) {
        refuse(what);
    }
    require_regular(file.get(), what);
    return file;
}

}  // namespace

os::Fd open_regular_file(const std::string& path, int flags, Links links, unsigned mode) {
    return open_file(path, flags, links, mode, path + ": cannot be opened");
}

std::string read_regular_file(const std::string& path, std::size_t most_bytes, Links links) {
    const std::string what = path + ": cannot be read";
    const os::Fd file = open_file(path, O_RDONLY, links, 0, what);
    const auto require_bound = [&](std::uint64_t bytes) {
        if (bytes > most_bytes) {
            throw Error(Errc::kSystem, what + ": it is larger than " + size_text(most_bytes));
        }
    };
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        refuse(what);
    }
    require_bound(static_cast<std::uint64_t>(status.st_size));
    std::string text;
    std::array<char, 16 * kKibi> piece{};
    while (true) {
        const ssize_t got =
            os::retry([&] { return ::read(file.get(), piece.data(), piece.size()); });
        if (got == 0) {
            return text;
        }
        if (got < 0) {
            refuse(what);
        }
        text.append(piece.data(), static_cast<std::size_t>(got));
        require_bound(text.size());
    }
}

void replace_file(const std::string& path, const std::string& text, unsigned mode) {
    const std::string fresh = path + ".new";
    // What a process that was killed left, or anything else of this name; what cannot be removed,
    // such as a directory, is told by open().
    ::unlink(fresh.c_str());
    try {
        {
            const os::Fd file(os::require("open(" + fresh + ")", [&] {
                return ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
            }));
            const auto written = os::require("write(" + fresh + ")", [&] {
                return ::write(file.get(), text.data(), text.size());
            });
            if (static_cast<std::size_t>(written) != text.size()) {
                // Half a text may mean something else than the whole.
                throw Error::from_errno(Errc::kSystem, ENOSPC, "write(" + fresh + ")");
            }
        }
        os::require("rename(" + fresh + ")", [&] { return ::rename(fresh.c_str(), path.c_str()); });
    } catch (const Error&) {
        ::unlink(fresh.c_str());
        throw;
    }
}

}  // namespace shmipc::supervisor
