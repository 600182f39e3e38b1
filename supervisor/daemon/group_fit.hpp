// Whether a configuration fits the objects that its group has already: asked by --check and by a
// reload, so that nobody finds out at the next start, which may be that of a package upgrade.
#pragma once

#include "config/config.hpp"

#include <string>

namespace shmipc::supervisor {

/// Why a supervisor with `config` would not start on the objects that lie in /dev/shm, and what to
/// do about it. Empty if it would, as far as can be told: there are none, or `config` does not
/// persist, so that objects which do not fit are removed; or they are not to be read, or another
/// user's and we are not root. Takes no lock, maps nothing, and trusts nothing that it reads.
std::string misfit_of_objects(const Config& config);

}  // namespace shmipc::supervisor
