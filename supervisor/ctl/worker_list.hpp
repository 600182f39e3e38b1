// Lists of workers as people type them: "0,2-5", "all".
#pragma once

#include <shmipc/ids.hpp>

#include <boost/json/array.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::ctl {

/// The workers that `text` names, ascending, each once. Throws std::invalid_argument, saying which
/// part is wrong and what is allowed, for anything that is not a number or a range below `workers`.
std::vector<WorkerIndex> parse_worker_list(std::string_view text, std::uint32_t workers);

/// "worker 1", "workers 0, 2-5": what parse_worker_list() reads, for people.
std::string describe_workers(const std::vector<WorkerIndex>& workers);

/// As the supervisor's methods take it.
boost::json::array to_json(const std::vector<WorkerIndex>& workers);

}  // namespace shmipc::ctl
