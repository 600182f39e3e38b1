// Standard output as a place for whole lines: where log.cpp writes them.
//
// A line is one write(2). On a pipe, writes of at most PIPE_BUF bytes are atomic, so that is the
// longest line (kMaxLine), and lines of several processes never mix.
//
// Not thread-safe: its owner holds a lock.
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include <shmipc/os.hpp>

namespace shmipc::log::detail {

inline constexpr std::size_t kMaxLine = PIPE_BUF;  // with its newline

class Output {
  public:
    explicit Output(bool never_block) : never_block_(never_block) {
        rest_.reserve(kMaxLine);  // so that no write allocates
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
            reopened_ = os::Fd(os::retry([] {
                return ::open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
            }));
        }
    }

    /// True: written, or (never_block) begun, the rest to be written before the next line. False:
    /// not a byte was.
    bool write_line(std::string_view line) noexcept {
        return never_block_ ? write_at_once(line) : write_all(line);
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

    bool write_at_once(std::string_view line) noexcept {
        if (!rest_.empty()) {
            const ssize_t count = write_some(rest());
            rest_begin_ += count > 0 ? static_cast<std::size_t>(count) : 0;
            if (!rest().empty()) {
                return false;
            }
            rest_.clear();
            rest_begin_ = 0;
        }
        const ssize_t count = write_some(line);
        if (count <= 0) {
            return false;
        }
        // A terminal may take a part of a line.
        line.remove_prefix(static_cast<std::size_t>(count));
        rest_.assign(line);
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
        broken_ = count < 0 && errno == EPIPE;
        return count;
    }

    static bool writable(int timeout_ms) noexcept {
        pollfd entry{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
        return os::retry([&] { return ::poll(&entry, 1, timeout_ms); }) == 1;
    }

    [[nodiscard]] std::string_view rest() const noexcept {
        return std::string_view(rest_).substr(rest_begin_);
    }

    bool never_block_;
    bool socket_ = false;
    bool broken_ = false;
    os::Fd reopened_;
    std::string rest_;  ///< never_block: begun line, of which rest() is yet to be written
    std::size_t rest_begin_ = 0;
};

}  // namespace shmipc::log::detail
