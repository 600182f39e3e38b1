// Exclusive locks that the kernel drops when their holder dies.
//
// Open-file-description locks (fcntl(2), F_OFD_SETLK): they belong to the open file, not to the
// process, so that a second membership in one process conflicts with the first, and closing some
// other descriptor of the same file releases nothing.
#pragma once

#include <chrono>
#include <string>

namespace shmipc::detail {

/// Takes the lock on the whole file, waiting up to `timeout` asleep. False: somebody holds it.
/// Throws Error (kSystem) if the file system has no locks.
bool lock_exclusively(int fd, std::chrono::milliseconds timeout, const std::string& name);

/// Whether somebody else's open file holds the lock. Takes nothing.
bool is_locked(int fd, const std::string& name);

}  // namespace shmipc::detail
