#include "control_fixture.hpp"

#include <doctest/doctest.h>

#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace shmipc::test {

std::string control_path(const SupervisorRun& run) {
    return run.directory() + "/" + run.group() + ".control";
}

varlink::Client connect(const SupervisorRun& run) {
    return varlink::Client::connect(control_path(run));
}

boost::json::array status(varlink::Client& client) {
    return client.call("io.shmipc.Status").at("workers").as_array();
}

std::int64_t number(const boost::json::value& object, std::string_view field) {
    CAPTURE(boost::json::serialize(object));
    CAPTURE(std::string(field));
    REQUIRE(object.as_object().at(field).is_int64());
    return object.as_object().at(field).as_int64();
}

std::string text(const boost::json::value& object, std::string_view field) {
    CAPTURE(boost::json::serialize(object));
    CAPTURE(std::string(field));
    REQUIRE(object.as_object().at(field).is_string());
    return std::string(object.as_object().at(field).as_string());
}

std::string error_of(varlink::Client& client, std::string_view method,
                     boost::json::object parameters) {
    try {
        client.call(method, std::move(parameters));
        return {};
    } catch (const varlink::CallError& error) {
        return error.error().substr(error.error().rfind('.') + 1);
    }
}

}  // namespace shmipc::test
