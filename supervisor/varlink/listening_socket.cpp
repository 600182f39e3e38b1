#include "listening_socket.hpp"

#include "base/unix_address.hpp"
#include <shmipc/error.hpp>

#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::varlink {
namespace {

/// Connections that wait to be accepted. Beyond it connect() of others waits.
constexpr int kBacklog = 128;
constexpr mode_t kAllModes = 0777;

class Umask {
  public:
    explicit Umask(mode_t mask) noexcept : before_(::umask(mask)) {}
    ~Umask() { ::umask(before_); }
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;

  private:
    mode_t before_;
};

sockaddr_un require_address(const std::string& path) {
    const auto address = os::to_address(path);
    if (!address) {
        throw Error(Errc::kSystem, "socket " + path + ": the path has " +
                                       std::to_string(path.size()) + " bytes, a socket's has 1 … " +
                                       std::to_string(os::kLongestSocketPath) +
                                       "; choose a shorter directory");
    }
    return *address;
}

os::Fd make_socket(const std::string& path) {
    return os::Fd(os::require("socket " + path + ": socket", [] {
        return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }));
}

/// Removes what a server that was killed has left.
void make_room(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) {
            return;
        }
        throw Error::from_errno(Errc::kSystem, errno, "socket " + path + ": lstat");
    }
    if (!S_ISSOCK(status.st_mode)) {
        throw Error(Errc::kSystem,
                    "socket " + path + ": something that is no socket is there; remove it");
    }
    const os::Fd probe = make_socket(path);
    const int result =
        os::retry([&] { return ::connect(probe.get(), os::generic(address), sizeof(address)); });
    // EAGAIN: more wait to be accepted than it allows, by somebody who listens.
    if (result == 0 || errno == EAGAIN) {
        throw Error(Errc::kSystem,
                    "socket " + path + ": another process listens there; stop it first");
    }
    if (errno == ENOENT) {
        return;
    }
    if (errno != ECONNREFUSED) {
        throw Error::from_errno(Errc::kSystem, errno, "socket " + path + ": connect");
    }
    os::require("socket " + path + ": unlink", [&] { return ::unlink(path.c_str()); });
}

}  // namespace

ListeningSocket::ListeningSocket(std::string path, mode_t mode) : path_(std::move(path)) {
    const sockaddr_un address = require_address(path_);
    make_room(path_, address);
    socket_ = make_socket(path_);
    {
        const Umask mask(kAllModes & ~mode);
        os::require("socket " + path_ + ": bind",
                    [&] { return ::bind(socket_.get(), os::generic(address), sizeof(address)); });
    }
    try {
        struct stat status {};
        os::require("socket " + path_ + ": lstat", [&] { return ::lstat(path_.c_str(), &status); });
        device_ = status.st_dev;
        inode_ = status.st_ino;
        // A directory's default ACL takes the umask's place; but nobody can connect before listen.
        os::require("socket " + path_ + ": chmod", [&] { return ::chmod(path_.c_str(), mode); });
        os::require("socket " + path_ + ": listen",
                    [&] { return ::listen(socket_.get(), kBacklog); });
        // No event tells that a socket begins to listen; this one (IN_ATTRIB) is for those who wait
        // for it with inotify, as shmipcctl does.
        os::require("socket " + path_ + ": chmod", [&] { return ::chmod(path_.c_str(), mode); });
    } catch (...) {
        remove_name();
        throw;
    }
}

ListeningSocket::~ListeningSocket() {
    remove_name();
}

bool ListeningSocket::has_its_name() const noexcept {
    // The socket is open still, so that nobody else's can have its inode.
    struct stat status {};
    return ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
           status.st_ino == inode_;
}

void ListeningSocket::remove_name() const noexcept {
    if (has_its_name()) {
        ::unlink(path_.c_str());
    }
}

}  // namespace shmipc::varlink
