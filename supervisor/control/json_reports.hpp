// Reports as the JSON objects that control/description.hpp describes.
#pragma once

#include "keeper/certificate.hpp"
#include "keeper/report.hpp"

#include <boost/json/object.hpp>

namespace shmipc::supervisor {

/// Type Worker.
boost::json::object to_json(const WorkerReport& report);
/// Type Death.
boost::json::object to_json(const Certificate& certificate);
/// The answer of Status.
boost::json::object to_json(const GroupReport& report);

}  // namespace shmipc::supervisor
