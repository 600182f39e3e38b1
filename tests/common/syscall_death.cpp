#include "syscall_death.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shmipc::test {

namespace {

Call deadly = Call::kNone;
int left = 0;
int failure = 0;  ///< 0: death
std::optional<uid_t> pretended;

/// The error with which the call is to fail, or 0.
int pass(Call call) noexcept {
    if (call != deadly || left-- != 0) {
        return 0;
    }
    if (failure == 0) {
        ::kill(::getpid(), SIGKILL);
    }
    return failure;
}

}  // namespace

uid_t effective_user() noexcept;

void die_at(Call call, int count) noexcept {
    fail_at(call, count, 0);
}

void fail_at(Call call, int count, int error) noexcept {
    deadly = call;
    left = count;
    failure = error;
}

void pretend_user(std::optional<uid_t> user) noexcept {
    pretended = user;
}

uid_t effective_user() noexcept {
    return pretended.value_or(static_cast<uid_t>(::syscall(SYS_geteuid)));
}

}  // namespace shmipc::test

using shmipc::test::Call;

extern "C" {

uid_t geteuid() noexcept {
    return shmipc::test::effective_user();
}

int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) noexcept {
    errno = shmipc::test::pass(Call::kLink);
    if (errno != 0) {
        return -1;
    }
    return static_cast<int>(::syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}

int unlink(const char* path) noexcept {
    errno = shmipc::test::pass(Call::kUnlink);
    if (errno != 0) {
        return -1;
    }
    return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int posix_fallocate(int fd, off_t offset, off_t bytes) {
    const int error = shmipc::test::pass(Call::kReserve);
    if (error != 0) {
        return error;
    }
    return ::syscall(SYS_fallocate, fd, 0, offset, bytes) == 0 ? 0 : errno;
}
}
