// shmipcctl autopsy: how workers died.
#pragma once

#include "options.hpp"
#include "output.hpp"
#include "reports.hpp"
#include "styled.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace shmipc::ctl {

/// "was killed by signal 9 (KILL)". Pure.
std::string how_it_ended(const DeathReport& death);

/// What is known of `deaths`, in their order. Pure but for the time zone.
std::vector<Line> death_lines(const std::vector<DeathReport>& deaths);

/// That those of `workers` that are not among `dead` have not died; nothing if all have. Pure.
std::vector<Line> immortal_lines(const std::set<std::uint32_t>& dead,
                                 const std::vector<WorkerIndex>& workers);

/// What is known of `deaths`, in their order; of `workers` without any, that there is none. Pure
/// but for the time zone.
std::vector<Line> autopsy_lines(const std::vector<DeathReport>& deaths,
                                const std::vector<WorkerIndex>& workers);

void autopsy(const Options& options, Output& output);

}  // namespace shmipc::ctl
