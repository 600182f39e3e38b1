// shmipcctl watch: new messages and changes of state, as they come.
#pragma once

#include "options.hpp"
#include "output.hpp"

namespace shmipc::ctl {

/// Returns never: ends by a signal, by ReaderGone, or by Failure when the supervisor goes.
void watch(const Options& options, Output& output);

}  // namespace shmipc::ctl
