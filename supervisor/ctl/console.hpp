// shmipcctl console: the supervisor's log scrolls by, and a worker's number and Return toggles it.
#pragma once

#include "options.hpp"
#include "output.hpp"

namespace shmipc::ctl {

/// Returns at q, or at the end of descriptor `input` (borrowed). Outlives the supervisor, and waits
/// for the next; Failure if the input ends meanwhile.
void console(const Options& options, Output& output, int input);

}  // namespace shmipc::ctl
