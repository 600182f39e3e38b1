// The thin layer over system calls: descriptors that have an owner, and calls that are retried
// after EINTR. Used by the programs and inside the library, each with a copy of its own.
#pragma once

#include <shmipc/error.hpp>

#include <cerrno>
#include <string>
#include <utility>

namespace shmipc::os {

/// Owns a file descriptor; closes it. Empty is −1.
class Fd {
  public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept;

  private:
    int fd_ = -1;
};

/// Calls `call` until it is not interrupted by a signal. Returns what it returned; errno is its.
template <class Call>
auto retry(Call&& call) noexcept(noexcept(call())) {
    auto result = call();
    while (result == -1 && errno == EINTR) {
        result = call();
    }
    return result;
}

/// retry(), and an Error "<what>: <strerror>" with the code that fits errno: kNoPermission for
/// EACCES and EPERM, kNoSpace for ENOSPC and EDQUOT, kSystem otherwise.
template <class Call>
auto require(const std::string& what, Call&& call) {
    auto result = retry(std::forward<Call>(call));
    if (result == -1) {
        throw Error::from_errno(Errc::kSystem, errno, what);
    }
    return result;
}

/// What a call has opened, moved above standard input, output and error if it is one of them,
/// close-on-exec: where a program was started without one of the three, the next file that is
/// opened gets its number, and whatever is printed goes into that file. −1, with errno, if `fd` is
/// that, or no other number is to be had; it is closed then.
int above_standard(int fd) noexcept;

/// Puts /dev/null where standard input, output or error is closed, for this process and those that
/// it executes. To be called first of all by a program. False, with errno, if it cannot: then
/// nothing may be opened.
bool open_standard_descriptors() noexcept;

/// "device:inode" of an open file, by which JOURNAL_STREAM names the way into the journal
/// (systemd.exec(5)); empty if `fd` is none.
std::string device_and_inode(int fd);

/// Raises this process's soft limit of open descriptors to its hard one: a group of N workers takes
/// N of them to look after or to remove. What cannot be raised stays; the call that runs out of
/// descriptors then says so.
void raise_descriptor_limit() noexcept;

}  // namespace shmipc::os
