// The tables for people.
#pragma once

#include "points.hpp"
#include "targets.hpp"

#include <cstdio>
#include <vector>

namespace shmipc::bench {

void print_points(std::FILE* out, const std::vector<PeerEntry>& peers,
                  const std::vector<Point>& points);
void print_report(std::FILE* out, const RunResult& run, const std::vector<Target>& targets);

}  // namespace shmipc::bench
