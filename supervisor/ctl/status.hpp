// shmipcctl status and version: what the supervisor tells of itself and its workers.
#pragma once

#include "options.hpp"
#include "output.hpp"
#include "reports.hpp"
#include "styled.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace shmipc::ctl {

/// The group's line, and the table of its workers. Pure.
std::vector<Line> status_lines(const StatusReport& status, const std::vector<WorkerIndex>& workers);

/// `reply` with none but `workers` in it. Pure.
boost::json::object select_workers(boost::json::object reply,
                                   const std::vector<WorkerIndex>& workers);

void status(const Options& options, Output& output);

/// Tells the client's version, and the supervisor's if it answers within some seconds.
void version(const Options& options, Output& output);

/// Neither running nor stopped by order. Pure.
bool is_degraded(const WorkerReport& worker);
/// Given up, waiting after a death, or being killed. Pure.
bool has_failed(const WorkerReport& worker);
/// "worker 1 is starting, worker 2 is failed": those that are degraded; beyond a few only their
/// number. Empty if there is none. Pure.
std::string describe_degraded(const std::vector<WorkerReport>& workers);

}  // namespace shmipc::ctl
