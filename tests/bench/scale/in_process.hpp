// What the library alone does at a point: the group's birth, a worker's attach, a message.
#pragma once

#include "figures.hpp"

#include <string>

namespace shmipc::bench {

/// Throws shmipc::Error; the group of that name is removed in any case, unless somebody uses it.
InProcess measure_in_process(const std::string& group, const Point& point, bool quick);

}  // namespace shmipc::bench
