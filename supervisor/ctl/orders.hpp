// The commands that ask the supervisor for one thing, and tell what it answered.
#pragma once

#include "options.hpp"
#include "output.hpp"
#include "reports.hpp"
#include "styled.hpp"

#include <vector>

namespace shmipc::ctl {

/// start, stop, restart.
void order(const Options& options, Output& output);
void kill(const Options& options, Output& output);
void reload(const Options& options, Output& output);
void log_level(const Options& options, Output& output);
void metrics(const Options& options, Output& output);

/// What a reload has done, and what is left to do. Pure.
std::vector<Line> reload_lines(const ReloadReport& report);

}  // namespace shmipc::ctl
