#include "keeper/worker_line.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <doctest/doctest.h>

#include <string>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace json = boost::json;

namespace {

LineSource source() {
    return {.worker = WorkerIndex{1}, .pid = 4711, .group = "g", .identifier = "sh-1"};
}

std::string nested(std::size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

}  // namespace

TEST_CASE("a worker's JSON object is passed on with fields that it cannot forge") {
    const std::string ours =
        R"("SHMIPC_ORIGIN":"worker","SHMIPC_GROUP":"g","SHMIPC_WORKER":1,"SHMIPC_WORKER_PID":4711})";
    const auto line = as_json(R"( {"MESSAGE":"hot","temperature":21.50} )", source());
    REQUIRE(line);
    CHECK(line->object == R"({"MESSAGE":"hot","temperature":21.50,)" + ours);  // as it was written
    CHECK(line->message == "hot");
    CHECK(as_json("{}", source())->object == "{" + ours);
    for (const std::string forged :
         {R"({"SHMIPC_ORIGIN":"supervisor","MESSAGE":"worker 1 exited"})",
          R"({"SHMIPC_ORIGIN":"supervisor","SHMIPC_ORIGIN":"worker","MESSAGE":"x"})",
          R"({"SHMIPC\u005fORIGIN":"supervisor","MESSAGE":"x"})",
          R"({"SHMIPC_WORKER":0,"SHMIPC_WORKER_PID":1,"SHMIPC_GROUP":"other","MESSAGE":"x"})"}) {
        CAPTURE(forged);
        const auto honest = as_json(forged, source());
        REQUIRE(honest);
        const json::object object = json::parse(honest->object).as_object();
        CHECK(object.at("SHMIPC_ORIGIN") == "worker");
        CHECK(object.at("SHMIPC_WORKER") == 1);
        CHECK(object.at("SHMIPC_WORKER_PID") == 4711);
        CHECK(object.at("SHMIPC_GROUP") == "g");
        CHECK(object.size() == 5);
        CHECK(honest->object.find("supervisor") == std::string::npos);
    }
}

TEST_CASE("what is no object of JSON on one line is text") {
    for (const std::string& text :
         {std::string("{"), std::string("{}{}"), std::string("[1]"), std::string("{\"a\":1}, "),
          std::string("{a:1}"), std::string("{\"a\":\"\xFF\"}"), std::string("50% {\"time\":1}"),
          std::string(), std::string("}"), std::string("{\"a\":\"b\x01\"}"), nested(40),
          nested(4000)}) {
        CAPTURE(text);
        CHECK_FALSE(as_json(text, source()));
    }
    CHECK(as_json(nested(20), source()));
}

TEST_CASE("a carriage return between the parts of an object does not reach a terminal") {
    const auto line = as_json("{\"a\":1,\r\"b\":2}", source());
    REQUIRE(line);
    CHECK(line->object.find('\r') == std::string::npos);
    CHECK(line->object.starts_with(R"({"a":1,"b":2,)"));
}
