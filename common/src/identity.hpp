// Exclusive locks that the kernel drops when their holder dies.
//
// Open-file-description locks (fcntl(2), F_OFD_SETLK): they belong to the open file, not to the
// process, so that a second membership in one process conflicts with the first, and closing some
// other descriptor of the same file releases nothing.
//
// Whoever may open a file for reading may hold a read lock on it, as long as he likes. So a lock
// that others could read-lock proves nothing where it is refused: only a write lock does.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <sys/types.h>

namespace shmipc::detail {

/// Bytes of a file that are locked. They need not be there.
struct Range {
    off_t begin = 0;
    off_t bytes = 0;  ///< 0: to the end, however long the file becomes
};

/// Takes the lock, waiting up to `timeout` asleep. False: somebody holds it.
/// Throws Error (kSystem) if the file system has no locks.
bool lock_exclusively(int fd, std::chrono::milliseconds timeout, const std::string& name,
                      Range range = {});

/// The same for a file that outsiders may read: their read locks are ignored. Exclusive among those
/// who take it with write locks, and against outsiders as far as they let us.
bool lock_among_writers(int fd, std::chrono::milliseconds timeout, const std::string& name);

/// Whether somebody else's open file holds a write lock. Takes nothing.
bool is_locked(int fd, const std::string& name, Range range = {});

/// The first byte of such a lock within `range`.
std::optional<off_t> first_locked(int fd, const std::string& name, Range range);

/// Lets go, also where a forked child has the same open file still.
void unlock(int fd, Range range = {}) noexcept;

}  // namespace shmipc::detail
