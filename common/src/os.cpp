#include <shmipc/os.hpp>

#include <unistd.h>

namespace shmipc::os {

void Fd::reset() noexcept {
    if (fd_ >= 0) {
        // Not retried: Linux closes the descriptor even when close() is interrupted.
        ::close(fd_);
        fd_ = -1;
    }
}

}  // namespace shmipc::os
