// The figures for people, on standard output; a row as soon as it is there.
#pragma once

#include "figures.hpp"

#include <vector>

namespace shmipc::bench {

void print_scale_head();
void print(const ScaleRow& row);
void print(const std::vector<RestRow>& rows);
void print(const std::vector<LogRow>& rows);

}  // namespace shmipc::bench
