// The state of the group for Prometheus: its text exposition format 0.0.4.
//
// Pure: a text from reports. What the format asks for is kept here: each family once, with its HELP
// and TYPE before its samples; counters end in _total; seconds and bytes, whatever the report has.
// A state is a sample for each state there is, 1 for the one that holds, so that a query needs no
// table of numbers.
//
// Every sample carries the label group, those of one worker also worker. Left out are pids, the
// text of the last death, and the name of the configuration file: they are for status and the log,
// and each new value of a label would be a new time series.
#pragma once

#include "keeper/report.hpp"
#include "process_report.hpp"

#include <string>

namespace shmipc::supervisor {

/// All families. A value that a report does not have is a sample that is not there.
std::string metrics_text(const GroupReport& group, const ControlReport& control,
                         const ProcessReport& process = {});

}  // namespace shmipc::supervisor
