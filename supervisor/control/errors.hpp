// Errors of the interface io.shmipc, by their short names (description.hpp).
#pragma once

#include "description.hpp"
#include "varlink/server.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace shmipc::supervisor {

inline void fail(varlink::Call& call, std::string_view error, boost::json::object parameters = {}) {
    call.fail(std::string(kInterface) + "." + std::string(error), std::move(parameters));
}

}  // namespace shmipc::supervisor
