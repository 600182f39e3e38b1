#include "sleep.hpp"

#include <shmipc/detail/cores.hpp>
#include <shmipc/protocol/memory.hpp>
#include <shmipc/protocol/sleep.hpp>

#include <climits>

#include <atomic>
#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shmipc::detail {

bool register_for_barrier() noexcept {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool barrier() noexcept {
    // For this processor, and for producers that use fences. Sequentially consistent: store of the
    // flag before the look at `current`.
    protocol::NativeMemory().fence(protocol::Step::kSleepBarrier, std::memory_order_seq_cst);
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}

void futex_wait(const layout::SharedU32& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept {
    if (timeout <= std::chrono::nanoseconds{0}) {
        return;
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    const timespec relative{.tv_sec = static_cast<time_t>(seconds.count()),
                            .tv_nsec = static_cast<long>((timeout - seconds).count())};
    // Every outcome, be it a wake, a changed word, a signal or the deadline, makes the caller look
    // again. FUTEX_WAIT measures a relative timeout on CLOCK_MONOTONIC.
    syscall(SYS_futex, &word, FUTEX_WAIT, expected, &relative, nullptr, 0);
}

void futex_wake(layout::SharedU32& word) noexcept {
    const int saved = errno;
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    errno = saved;
}

void ring(layout::SharedU32& doorbell) noexcept {
    protocol::DefaultMemory memory;
    protocol::raise(memory, doorbell);
    futex_wake(doorbell);
}

}  // namespace shmipc::detail
