#include <shmipc/os.hpp>

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
