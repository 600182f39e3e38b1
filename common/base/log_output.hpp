// Standard output as a place for whole lines: where log.cpp writes them.
//
// A line is one write(2). On a pipe, writes of at most PIPE_BUF bytes are atomic, so that is the
// longest line (kMaxLine), and lines of several processes never mix.
//
// Not thread-safe: its owner holds a lock.
#pragma once

#include "os.hpp"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::log::detail {

inline constexpr std::size_t kMaxLine = PIPE_BUF;  // with its newline

/// never_block: what is kept while nobody reads, in bytes. More is dropped.
inline constexpr std::size_t kMaxBacklog = std::size_t{64} * 1024;

class Output {
  public:
    explicit Output(bool never_block) : never_block_(never_block) {
        struct stat status {};
        if (!never_block_ || ::fstat(STDOUT_FILENO, &status) != 0) {
            return;
        }
        socket_ = S_ISSOCK(status.st_mode);
        // O_NONBLOCK belongs to the open file description, which standard output shares with other
        // processes; those must not get it. So never_block has a description of its own. Where
        // there is none to be had (a terminal of another user after su), poll(2) must do, which
        // loses a race when others fill the pipe between the question and the write.
        if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
            reopened_ = os::Fd(os::above_standard(os::retry([] {
                return ::open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
            })));
        }
    }

    /// True: written, or (never_block) kept until there is room: up to `most_kept` bytes. False:
    /// not a byte was, since the backlog is full too, or writing fails.
    bool write_line(std::string_view line, std::size_t most_kept = kMaxBacklog) {
        return never_block_ ? write_or_keep(line, most_kept) : write_all(line);
    }

    /// Writes what was kept, waiting for room until `deadline`. False: some is left.
    bool flush(std::chrono::steady_clock::time_point deadline) noexcept {
        for (;;) {
            if (write_kept()) {
                return true;
            }
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            if (broken_ || left.count() <= 0 || !writable(static_cast<int>(left.count()))) {
                return false;
            }
        }
    }

    /// Standard output had lost its reader when a line was last written.
    [[nodiscard]] bool broken() const noexcept { return broken_; }

  private:
    bool write_all(std::string_view line) noexcept {
        const std::size_t size = line.size();
        while (!line.empty()) {
            const ssize_t count = write_some(line);
            if (count >= 0) {
                line.remove_prefix(static_cast<std::size_t>(count));
            } else if (errno == EAGAIN) {  // somebody else made the description non-blocking
                (void)writable(-1);
            } else {
                return line.size() != size;
            }
        }
        return true;
    }

    bool write_or_keep(std::string_view line, std::size_t most_kept) {
        if (write_kept()) {
            const ssize_t count = write_some(line);
            if (count < 0 && errno != EAGAIN) {
                return false;
            }
            // A terminal may take a part of a line.
            line.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
        }
        if (kept_bytes_ + line.size() > most_kept) {
            return false;
        }
        if (!line.empty()) {
            kept_.emplace_back(line);
            kept_bytes_ += line.size();
        }
        return true;
    }

    /// Line by line, since a longer write to a pipe would not be atomic.
    bool write_kept() noexcept {
        while (!kept_.empty()) {
            const ssize_t count = write_some(kept_.front());
            if (count < 0) {
                return false;
            }
            kept_bytes_ -= static_cast<std::size_t>(count);
            kept_.front().erase(0, static_cast<std::size_t>(count));
            if (!kept_.front().empty()) {
                return false;
            }
            kept_.pop_front();
        }
        return true;
    }

    /// Like write(2), but retried after EINTR. With never_block it does not wait.
    ssize_t write_some(std::string_view bytes) noexcept {
        ssize_t count = -1;
        if (socket_) {
            count = os::retry([&] {
                return ::send(STDOUT_FILENO, bytes.data(), bytes.size(),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
            });
        } else if (never_block_ && !reopened_ && !writable(0)) {
            errno = EAGAIN;
        } else {
            const int descriptor = reopened_ ? reopened_.get() : STDOUT_FILENO;
            count = os::retry([&] { return ::write(descriptor, bytes.data(), bytes.size()); });
        }
        broken_ =
            count < 0 && (errno == EPIPE || errno == ECONNRESET || (errno == EIO && hung_up()));
        return count;
    }

    /// A terminal says EIO for ever when it is gone; and for a moment to whoever is not in its
    /// foreground, which is no reason to give it up.
    static bool hung_up() noexcept {
        pollfd entry{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
        const bool gone = os::retry([&] { return ::poll(&entry, 1, 0); }) == 1 &&
                          (entry.revents & (POLLHUP | POLLERR)) != 0;
        errno = EIO;
        return gone;
    }

    static bool writable(int timeout_ms) noexcept {
        pollfd entry{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
        return os::retry([&] { return ::poll(&entry, 1, timeout_ms); }) == 1;
    }

    bool never_block_;
    bool socket_ = false;
    bool broken_ = false;
    os::Fd reopened_;
    std::deque<std::string> kept_;  ///< never_block: lines, and the rest of one, yet to be written
    std::size_t kept_bytes_ = 0;    ///< their length
};

}  // namespace shmipc::log::detail
