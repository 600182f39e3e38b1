#include "identity.hpp"

#include "base/os.hpp"
#include <shmipc/error.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

namespace shmipc::detail {

namespace {

struct flock lock_on(Range range, short type) noexcept {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = range.begin;
    lock.l_len = range.bytes;
    return lock;
}

bool try_lock(int fd, struct flock lock, const std::string& name) {
    if (os::retry([&] { return fcntl(fd, F_OFD_SETLK, &lock); }) == 0) {
        return true;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return false;
    }
    throw Error::from_errno(Errc::kSystem, errno, "cannot lock " + name);
}

/// What the waiting thread is given. Lives on the stack of wait_for_lock(), which joins it.
struct Wait {
    int fd;
    struct flock lock;
    sem_t done;
};

/// Blocks until the lock is had or the thread is cancelled: fcntl(F_OFD_SETLKW) is a cancellation
/// point. A plain function without destructors, since cancelling unwinds it, and without objects
/// on its stack, since AddressSanitizer does not see that they have gone.
void* block_for_lock(void* argument) {
    auto* wait = static_cast<Wait*>(argument);
    while (fcntl(wait->fd, F_OFD_SETLKW, &wait->lock) != 0 && errno == EINTR) {
    }
    sem_post(&wait->done);
    return nullptr;
}

/// F_OFD_SETLKW has no deadline, and a signal to interrupt it would meddle with the program's own.
/// So a thread blocks in it and is cancelled when the time is up. Whether it had the lock by then
/// the caller asks again: locks belong to the open file, so it would be ours either way.
void wait_for_lock(int fd, struct flock lock, std::chrono::milliseconds timeout,
                   const std::string& name) {
    Wait wait{.fd = fd, .lock = lock, .done = {}};
    sem_init(&wait.done, 0, 0);
    pthread_t thread{};
    // A thread with all signals blocked: none of the program's handlers may run on it.
    sigset_t all{};
    sigset_t old{};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int error = pthread_create(&thread, nullptr, block_for_lock, &wait);
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    if (error != 0) {
        sem_destroy(&wait.done);
        throw Error::from_errno(Errc::kSystem, error, "cannot wait for the lock on " + name);
    }
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto deadline = std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec} +
                          std::chrono::nanoseconds{timeout};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(deadline);
    const timespec until{.tv_sec = static_cast<time_t>(seconds.count()),
                         .tv_nsec = static_cast<long>((deadline - seconds).count())};
    if (os::retry([&] { return sem_clockwait(&wait.done, CLOCK_MONOTONIC, &until); }) != 0) {
        pthread_cancel(thread);
    }
    pthread_join(thread, nullptr);
    sem_destroy(&wait.done);
}

bool lock_within(int fd, struct flock lock, std::chrono::milliseconds timeout,
                 const std::string& name) {
    if (try_lock(fd, lock, name)) {
        return true;
    }
    if (timeout.count() <= 0) {
        return false;
    }
    wait_for_lock(fd, lock, timeout, name);
    return try_lock(fd, lock, name);
}

}  // namespace

bool lock_exclusively(int fd, std::chrono::milliseconds timeout, const std::string& name,
                      Range range) {
    return lock_within(fd, lock_on(range, F_WRLCK), timeout, name);
}

bool lock_among_writers(int fd, std::chrono::milliseconds timeout, const std::string& name) {
    const struct flock exclusive = lock_on({}, F_WRLCK);
    if (try_lock(fd, exclusive, name)) {
        return true;
    }
    // A read lock waits for writers only, and keeps them out.
    if (!lock_within(fd, lock_on({}, F_RDLCK), timeout, name)) {
        return false;
    }
    // Whether it can be had or not: who is in the way now is a reader.
    try_lock(fd, exclusive, name);
    return true;
}

bool is_locked(int fd, const std::string& name, Range range) {
    return first_locked(fd, name, range).has_value();
}

std::optional<off_t> first_locked(int fd, const std::string& name, Range range) {
    // A read lock would conflict with write locks only.
    struct flock lock = lock_on(range, F_RDLCK);
    os::require("cannot ask for the lock on " + name,
                [&] { return fcntl(fd, F_OFD_GETLK, &lock); });
    return lock.l_type == F_UNLCK ? std::nullopt
                                  : std::optional(std::max(lock.l_start, range.begin));
}

void unlock(int fd, Range range) noexcept {
    struct flock lock = lock_on(range, F_UNLCK);
    os::retry([&] { return fcntl(fd, F_OFD_SETLK, &lock); });
}

}  // namespace shmipc::detail
