#include <shmipc/os.hpp>

#include <sys/resource.h>
#include <unistd.h>

namespace shmipc::os {

void Fd::reset() noexcept {
    if (fd_ >= 0) {
        // Not retried: Linux closes the descriptor even when close() is interrupted.
        ::close(fd_);
        fd_ = -1;
    }
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace shmipc::os
