#include "os.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::os {

void Fd::reset() noexcept {
    if (fd_ >= 0) {
        // Not retried: Linux closes the descriptor even when close() is interrupted.
        ::close(fd_);
        fd_ = -1;
    }
}

int above_standard(int fd) noexcept {
    if (fd < 0 || fd > STDERR_FILENO) {
        return fd;
    }
    const int above = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    // EINVAL: the limit allows none above the three.
    const int error = above < 0 && errno == EINVAL ? EMFILE : errno;
    ::close(fd);
    errno = error;
    return above;
}

bool open_standard_descriptors() noexcept {
    for (;;) {
        // Without O_CLOEXEC: else the hole would be there again in whatever is executed. Where
        // there is no /dev/null, a descriptor with which nothing can be read or written.
        int fd = retry([] { return ::open("/dev/null", O_RDWR); });
        if (fd < 0 && errno != EMFILE) {
            fd = retry([] { return ::open("/", O_PATH); });
        }
        if (fd < 0) {
            // No number is left: those of the standard three are in use then, and this is no
            // failure of ours, unless not even they may be had.
            return ::fcntl(STDIN_FILENO, F_GETFD) >= 0 && ::fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
                   ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
        }
        if (fd > STDERR_FILENO) {
            ::close(fd);
            return true;
        }
    }
}

std::string device_and_inode(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return {};
    }
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace shmipc::os
