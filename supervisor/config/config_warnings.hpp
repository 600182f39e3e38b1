// What a configuration says that is valid, and most likely not meant. Pure.
#pragma once

#include "config.hpp"

#include <string>
#include <vector>

namespace shmipc::supervisor {

/// Sentences, each with the place in the file where there is one: a worker that falls back to the
/// stock program in a group of other programs; a name in braces that stands for nothing. Bounded.
std::vector<std::string> warnings_of(const Config& config);

}  // namespace shmipc::supervisor
