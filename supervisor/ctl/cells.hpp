// What the cells of worker tables say: shared by status and top. Pure.
#pragma once

#include "reports.hpp"
#include "styled.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace shmipc::ctl {

/// Green for running, yellow for what is on its way, red for failed, dim for stopped.
Style style_of_state(std::string_view state) noexcept;

/// "running", "backoff (1.5 s)".
Span state_cell(const WorkerReport& worker);

Span number_cell(const std::optional<std::int64_t>& number);
Span count_cell(std::uint64_t count);
/// "2.1 s"; "-" for nothing.
Span duration_cell(const std::optional<Nanoseconds>& duration);
Span text_cell(const std::optional<std::string>& text);

/// "3/3 workers ready, supervisor pid 4711, up 2 min 3 s, 2 restarts".
std::string describe_group(const StatusReport& status);

}  // namespace shmipc::ctl
