// The figures for programs: plot.py reads them.
#pragma once

#include "figures.hpp"

#include <string>

namespace shmipc::bench {

/// Throws std::runtime_error if the file cannot be written.
void write_json(const Report& report, const std::string& file);

}  // namespace shmipc::bench
