// The pipe on which the supervisor that started this process learns that its worker is ready: see
// <shmipc/supervision.hpp>.
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
