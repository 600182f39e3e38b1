// shmipcctl top: a live table, as long as the operator looks at it.
#pragma once

#include "options.hpp"
#include "output.hpp"

namespace shmipc::ctl {

/// Returns when the operator leaves, and at SIGINT, SIGTERM and SIGHUP; the terminal is as it was
/// then. Throws Failure: kUsage if there is no terminal; what Connection throws, if there is no
/// supervisor at the start.
void top(const Options& options, Output& output);

}  // namespace shmipc::ctl
