// When a worker that died is restarted, as configured; keeper/policy.hpp decides by it.
#pragma once

#include <chrono>
#include <cstdint>

namespace shmipc::supervisor {

/// The keys of table [restart] in shmipc.toml, where their ranges stand.
struct RestartLimits {
    std::chrono::milliseconds initial{100};
    std::chrono::milliseconds maximum{10'000};
    double factor = 2.0;
    double jitter = 0.1;
    std::chrono::milliseconds stable_after{10'000};
    std::uint32_t max_restarts = 10;  ///< 0: no limit
    std::chrono::milliseconds window{60'000};
    friend bool operator==(const RestartLimits&, const RestartLimits&) = default;
};

}  // namespace shmipc::supervisor
