// A Unix stream socket that listens at a path: made without a moment in which others than meant
// could connect, and removed again, but only what is ours.
#pragma once

#include "base/os.hpp"

#include <string>

#include <sys/types.h>

namespace shmipc::varlink {

/// Non-blocking. Changes the umask of the process for an instant: one thread.
class ListeningSocket {
  public:
    /// Replaces a socket that nobody listens on. Throws Error with the path: kNoPermission,
    /// kSystem; also if the path is too long, is no socket, or if somebody listens there.
    ListeningSocket(std::string path, mode_t mode);
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    /// Removes the name, if it is still this socket's.
    ~ListeningSocket();

    [[nodiscard]] int get() const noexcept { return socket_.get(); }
    /// Whether the path still leads here: somebody may have removed or replaced it.
    [[nodiscard]] bool has_its_name() const noexcept;

  private:
    void remove_name() const noexcept;

    std::string path_;
    os::Fd socket_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace shmipc::varlink
