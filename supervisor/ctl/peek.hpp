// shmipcctl peek and clean: what is done on the shared memory itself, without a supervisor.
#pragma once

#include "options.hpp"
#include "output.hpp"

namespace shmipc::ctl {

/// The latest messages. Throws shmipc::Error if the group's objects cannot be read.
void peek(const Options& options, Output& output);

/// Removes the group's objects; the library refuses while a worker runs (shmipc::Error).
void clean(const Options& options, Output& output);

}  // namespace shmipc::ctl
