// What goes wrong between shmipcctl and a supervisor, as texts that name the remedy. Pure.
#pragma once

#include "failure.hpp"
#include "place.hpp"
#include "varlink/client.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::ctl {

/// Whom a socket is for, as far as this user may know.
struct Owner {
    std::string user;
    std::string group;
    bool group_may = false;  ///< members of the group may connect
};

/// No connection could be made: `error_number` is errno of the last of the paths that were tried.
Failure describe_no_connection(const Place& place, const std::vector<std::string>& tried,
                               int error_number, const std::optional<Owner>& owner);

/// For an answer that a supervisor gives at once. Generous: it may have hundreds of workers, and
/// little time of the processor.
inline constexpr std::chrono::seconds kAnswerPatience{10};

/// A connection ended, carried what is no Varlink, or nothing within kAnswerPatience.
Failure describe_lost_connection(const Place& place, const std::string& path,
                                 const varlink::ConnectionError& error);

/// The supervisor answered with an error.
Failure describe_call_error(const Place& place, const std::string& method,
                            const varlink::CallError& error);

}  // namespace shmipc::ctl
