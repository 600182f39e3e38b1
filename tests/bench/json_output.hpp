// The same as JSON, for programs that draw or compare.
#pragma once

#include "targets.hpp"

#include <string>
#include <vector>

namespace shmipc::bench {

/// Throws std::system_error if the file cannot be written.
void write_json(const std::string& path, const RunResult& run, const std::vector<Target>& targets);

}  // namespace shmipc::bench
