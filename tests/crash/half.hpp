// Half: where a consumer stands stopped, half-way, while something happens to its producer.
#pragma once

#include "plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::crash {

/// What the consumer is at when the producer begins.
enum class Approach : std::uint8_t {
    kUsual,      ///< acquires, and nothing has come between
    kOvertaken,  ///< acquires, and one message was published while it stood before (2)
    kSleepy      ///< waits, having read the latest message, before it is asleep
};

/// A place in its approach.
struct Half {
    Approach approach = Approach::kUsual;
    Place place;
};

std::string to_string(const Half& half);

/// The places of an approach at which the consumer may be stopped.
std::vector<Half> halves(std::uint32_t workers, Approach approach);

}  // namespace shmipc::crash
