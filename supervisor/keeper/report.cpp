#include "report.hpp"

#include <algorithm>

namespace shmipc::supervisor {

std::string_view name_of(Phase phase) noexcept {
    switch (phase) {
        case Phase::kIdle:
            return "idle";
        case Phase::kStarting:
            return "starting";
        case Phase::kRunning:
            return "running";
        case Phase::kStopping:
            return "stopping";
        case Phase::kStopped:
            return "stopped";
    }
    return "?";
}

std::uint32_t GroupReport::ready() const noexcept {
    return static_cast<std::uint32_t>(
        std::count_if(workers.begin(), workers.end(),
                      [](const WorkerReport& worker) { return worker.state == State::kRunning; }));
}

}  // namespace shmipc::supervisor
