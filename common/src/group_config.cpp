#include <shmipc/error.hpp>
#include <shmipc/group_config.hpp>
#include <shmipc/ids.hpp>

namespace shmipc {

void GroupConfig::check() const {
    if (!is_group_name(name)) {
        throw Error(Errc::kInvalidGroupName,
                    "invalid group name '" + name + "': expected [A-Za-z0-9_-]{1,64}");
    }
    const auto require = [](bool holds, const char* what, std::uint64_t value, std::uint64_t low,
                            std::uint64_t high) {
        if (!holds) {
            throw Error(Errc::kInvalidGeometry,
                        std::string("invalid ") + what + " " + std::to_string(value) +
                            ": expected " + std::to_string(low) + " to " + std::to_string(high));
        }
    };
    require(workers >= kMinWorkers && workers <= kMaxWorkers, "number of workers", workers,
            kMinWorkers, kMaxWorkers);
    require(capacity >= kMinCapacity && capacity <= kMaxCapacity, "message capacity (bytes)",
            capacity, kMinCapacity, kMaxCapacity);
    require(geometry().valid(), "number of slots", slots, layout::Geometry::minimum_slots(workers),
            layout::Geometry::maximum_slots(workers));
}

}  // namespace shmipc
