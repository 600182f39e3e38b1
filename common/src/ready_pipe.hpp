// The pipe on which the supervisor that started this process learns that its worker is ready.
//
// SHMIPC_READY_FD is its number, for scripts; but a number is nobody's proof: wrappers close
// descriptors, and what is opened next gets the number. So SHMIPC_READY_PIPE names the pipe itself,
// by device and inode, as JOURNAL_STREAM does (systemd.exec(5)).
#pragma once

#include "base/os.hpp"
#include <shmipc/ids.hpp>

#include <string>

namespace shmipc::detail {

/// The pipe, if SHMIPC_GROUP and SHMIPC_INDEX tell that it was given to this worker, and the
/// descriptor is still the writing end of that very pipe. It is the caller's then, close-on-exec,
/// and the two variables that name it are gone. Empty otherwise, and nothing is touched.
os::Fd take_ready_pipe(const std::string& group, WorkerIndex index);

/// Tells it, and closes the pipe.
void tell_ready(os::Fd& pipe) noexcept;

}  // namespace shmipc::detail
