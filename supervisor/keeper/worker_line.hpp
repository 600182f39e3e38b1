// One line of a worker's output, as the supervisor's log passes it on: with fields that say whose
// it is and that no worker can forge.
#pragma once

#include <shmipc/ids.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace shmipc::supervisor {

/// Value of field SHMIPC_ORIGIN: who wrote the line.
inline constexpr std::string_view kOriginField = "SHMIPC_ORIGIN";
inline constexpr std::string_view kOriginWorker = "worker";
inline constexpr std::string_view kOriginSupervisor = "supervisor";

struct LineSource {
    WorkerIndex worker{0};
    pid_t pid = -1;
    std::string group;
    std::string identifier;  ///< "my-worker-2"
};

/// A worker's line that is a JSON object.
struct JsonLine {
    std::string object;   ///< the same with our fields in place of its own, on one line
    std::string message;  ///< its MESSAGE, if it is a text
};
/// Nothing if the line is no JSON object, or nested deeper than 32.
std::optional<JsonLine> as_json(std::string_view line, const LineSource& source);

/// Passes the line on. Returns what it says: without the priority that it may begin with, and the
/// worker's own prefix. `continued`: it is the rest of the one before. `continues`: of it the next.
std::string pass_on(std::string_view line, const LineSource& source, bool continued,
                    bool continues);

}  // namespace shmipc::supervisor
