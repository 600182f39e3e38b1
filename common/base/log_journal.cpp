#include "log_journal.hpp"

#include "held_signal.hpp"
#include "os.hpp"
#include "unix_address.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::log::detail {
namespace {

/// As libsystemd asks for; the kernel gives as much of it as an ordinary user may have.
constexpr int kSendBuffer = 8 * 1024 * 1024;

/// How long journald may take to read what it has, and how often to look: no event tells.
constexpr std::chrono::milliseconds kReadPatience{100};
constexpr std::chrono::microseconds kReadLook{500};

/// The journal has to be asked again after these: its queue is full, or nobody listens.
bool is_passing(int error) noexcept {
    return error == EAGAIN || error == ENOBUFS || error == ECONNREFUSED || error == ENOENT ||
           error == ENOTCONN || error == ECONNRESET || error == EPIPE || error == EACCES ||
           error == ENOTDIR;
}

bool write_all(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t count = os::retry([&] { return ::write(fd, bytes.data(), bytes.size()); });
        if (count < 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

bool is_socket(int fd) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

bool is_null_device(int fd) noexcept {
    struct stat null {};
    struct stat status {};
    return ::stat("/dev/null", &null) == 0 && ::fstat(fd, &status) == 0 &&
           S_ISCHR(status.st_mode) && status.st_rdev == null.st_rdev;
}

}  // namespace

JournalOutput::JournalOutput(std::string socket) : path_(std::move(socket)) {}

bool JournalOutput::write_entry(std::string entry, std::size_t most_kept) {
    if (send_kept()) {
        const Sent sent = send(entry);
        if (sent != Sent::kLater) {
            return sent == Sent::kYes;
        }
    }
    if (kept_bytes_ + entry.size() > most_kept) {
        return false;
    }
    const std::size_t size = entry.size();
    kept_.push_back(std::move(entry));
    kept_bytes_ += size;
    return true;
}

bool JournalOutput::flush(std::chrono::steady_clock::time_point deadline) noexcept {
    while (!send_kept()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        // Nobody there is no reason to wait: systemd holds the socket while journald restarts.
        if (left.count() <= 0 || !connected_) {
            return false;
        }
        pollfd entry{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
        (void)os::retry([&] { return ::poll(&entry, 1, static_cast<int>(left.count())); });
    }
    wait_until_read(deadline);
    return true;
}

void JournalOutput::wait_until_read(std::chrono::steady_clock::time_point deadline) const noexcept {
    const auto end = std::min(deadline, std::chrono::steady_clock::now() + kReadPatience);
    int unread = 0;
    while (connected_ && ::ioctl(socket_.get(), SIOCOUTQ, &unread) == 0 && unread > 0 &&
           std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kReadLook);
    }
}

bool JournalOutput::send_kept() noexcept {
    while (!kept_.empty()) {
        if (send(kept_.front()) == Sent::kLater) {
            return false;
        }
        kept_bytes_ -= kept_.front().size();
        kept_.pop_front();
    }
    return true;
}

JournalOutput::Sent JournalOutput::send(std::string_view entry) noexcept {
    // Twice: a journald that was restarted leaves a socket that leads nowhere.
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (!connected_ && !connect()) {
            return is_passing(errno) ? Sent::kLater : Sent::kNever;
        }
        const Sent sent = send_datagram(entry);
        if (sent != Sent::kLater || errno == EAGAIN || errno == ENOBUFS) {
            return sent;
        }
        connected_ = false;
    }
    return Sent::kLater;
}

JournalOutput::Sent JournalOutput::send_datagram(std::string_view entry) noexcept {
    const ssize_t count = os::retry([&] {
        return ::send(socket_.get(), entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (count >= 0) {
        return Sent::kYes;
    }
    if (errno == EMSGSIZE || errno == ENOBUFS) {
        return send_memfd(entry);
    }
    return is_passing(errno) ? Sent::kLater : Sent::kNever;
}

JournalOutput::Sent JournalOutput::send_memfd(std::string_view entry) noexcept {
    const shmipc::detail::HeldSignal held(SIGXFSZ);  // an entry longer than RLIMIT_FSIZE
    const os::Fd file(
        os::above_standard(::memfd_create("shmipc-log", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
    // Sealed, so that journald may read it without fearing that it changes.
    if (!file || !write_all(file.get(), entry) ||
        ::fcntl(file.get(), F_ADD_SEALS,
                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        return Sent::kNever;
    }
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = file.get();
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    const ssize_t count =
        os::retry([&] { return ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
    if (count >= 0) {
        return Sent::kYes;
    }
    return is_passing(errno) ? Sent::kLater : Sent::kNever;
}

bool JournalOutput::connect() noexcept {
    const auto address = os::to_address(path_);
    if (!address) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!socket_) {
        socket_ = os::Fd(os::above_standard(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
        if (!socket_) {
            return false;
        }
        (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
    }
    // Does not wait: a datagram socket has no queue of connections.
    connected_ = os::retry([&] {
                     return ::connect(socket_.get(), os::generic(*address), sizeof(*address));
                 }) == 0;
    return connected_;
}

bool output_is_journal() noexcept {
    const char* const stream = std::getenv("JOURNAL_STREAM");
    if (stream == nullptr) {
        // A service that systemd starts while journald is away gets /dev/null in its place. It must
        // not be silent for the rest of its life.
        return std::getenv("INVOCATION_ID") != nullptr && is_null_device(STDOUT_FILENO);
    }
    // It names standard error if the two differ: then standard output leads there too only if it is
    // a socket and nothing that somebody redirected it to.
    return stream == os::device_and_inode(STDOUT_FILENO) ||
           (stream == os::device_and_inode(STDERR_FILENO) && is_socket(STDOUT_FILENO));
}

}  // namespace shmipc::log::detail
