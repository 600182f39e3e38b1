// One supervisor a group: a lock file in the runtime directory, with the holder's pid in it.
//
// The lock is the kernel's (OFD): it ends with the process, however that ends, and the file alone
// means nothing. A file that is left over is taken up. For a second runtime directory it is the
// library's claim that keeps a second supervisor away (SupervisorClaim, <shmipc/group.hpp>).
#pragma once

#include "base/os.hpp"

#include <optional>
#include <string>

#include <sys/types.h>

namespace shmipc::supervisor {

/// Creates the directory if it is missing, but none above it. Throws Error: kNoPermission, kSystem;
/// kOtherOwner if it belongs to somebody else or others may write to it, since they could replace
/// the lock then.
void prepare_runtime_directory(const std::string& directory);

/// Lets everybody reach what they know by name in the directory, and may open: the control socket
/// of a group that has observers. Throws Error.
void open_runtime_directory(const std::string& directory);

/// Held while it lives. Move-only.
class SupervisorLock {
  public:
    /// Nothing if another process holds it; `holder` gets its pid then, 0 if it did not tell yet.
    /// Throws Error for what the system refuses.
    static std::optional<SupervisorLock> acquire(const std::string& path, pid_t& holder);

    /// Whether the path still leads to the file that is locked.
    [[nodiscard]] bool has_its_name() const noexcept;
    /// Makes and locks the file anew, for somebody has removed or replaced it. False if another
    /// process was quicker; `holder` as acquire(). Throws Error. All is as it was then.
    bool renew(pid_t& holder);

    SupervisorLock(SupervisorLock&& other) noexcept = default;
    SupervisorLock& operator=(SupervisorLock&&) = delete;
    SupervisorLock(const SupervisorLock&) = delete;
    SupervisorLock& operator=(const SupervisorLock&) = delete;
    /// Removes the file, then the lock: whoever opened the file meanwhile finds that its name is
    /// gone, and opens anew.
    ~SupervisorLock();

  private:
    SupervisorLock(os::Fd file, std::string path) noexcept;

    os::Fd file_;
    std::string path_;
};

}  // namespace shmipc::supervisor
