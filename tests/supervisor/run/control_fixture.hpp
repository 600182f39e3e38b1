// What the tests that use a running supervisor's control socket share.
#pragma once

#include "run_fixture.hpp"
#include "varlink/client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace shmipc::test {

/// A script for script_worker(): ready at once, and stays.
inline constexpr const char* kGood = "echo >&3; exec sleep 1000";

/// Puts `toml` into the place of the configuration that the run was started with.
void rewrite(const SupervisorRun& run, const std::string& toml);
[[nodiscard]] std::string control_path(const SupervisorRun& run);
/// Waits for the socket: a supervisor that has said anything has one, but for its first words.
[[nodiscard]] varlink::Client connect(const SupervisorRun& run);
/// Status.workers.
[[nodiscard]] boost::json::array status(varlink::Client& client);
[[nodiscard]] std::int64_t number(const boost::json::value& object, std::string_view field);
[[nodiscard]] std::string text(const boost::json::value& object, std::string_view field);
/// Parameters that name workers.
[[nodiscard]] boost::json::object worker_list(std::initializer_list<int> workers);
/// Waits until each worker has written a message since now.
void require_new_messages(const SupervisorRun& run);
/// The error that a call is answered with, its short name; "" if there is none.
std::string error_of(varlink::Client& client, std::string_view method,
                     boost::json::object parameters = {});

}  // namespace shmipc::test
