// What the search searches: the real ends of the protocol in channels with no slot to spare.
// The first of each list has few runs.
#pragma once

#include "search.hpp"

#include <memory>
#include <vector>

namespace shmipc::test::weak {

/// Producer and consumers (pin.hpp, publish.hpp), some with deaths.
std::vector<std::unique_ptr<Scenario>> pin_scenarios();
/// Producer and observer (copy.hpp).
std::vector<std::unique_ptr<Scenario>> copy_scenarios();
/// Those who wait, and those who wake them (sleep.hpp).
std::vector<std::unique_ptr<Scenario>> sleep_scenarios();

}  // namespace shmipc::test::weak
