#include "control_fixture.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <utility>

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

boost::json::object worker_list(std::initializer_list<int> workers) {
    return {{"workers", boost::json::array(workers.begin(), workers.end())}};
}

void rewrite(const SupervisorRun& run, const std::string& toml) {
    std::ofstream(run.directory() + "/config.toml") << toml;
}

void require_new_messages(const SupervisorRun& run) {
    varlink::Client watcher = connect(run);
    watcher.call_more("io.shmipc.Watch", {{"interval_usec", 100'000}});
    std::map<std::int64_t, std::int64_t> first;
    std::set<std::int64_t> silent;
    do {
        const auto reply = watcher.receive(kPatience);
        REQUIRE(reply);
        for (const boost::json::value& worker : reply->parameters.at("workers").as_array()) {
            const std::int64_t index = number(worker, "index");
            const std::int64_t written = number(worker, "written");
            if (first.emplace(index, written).second) {
                silent.insert(index);
            } else if (written > first.at(index)) {
                silent.erase(index);
            }
        }
    } while (!silent.empty());
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
