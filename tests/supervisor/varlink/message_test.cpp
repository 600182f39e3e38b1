#include "varlink/message.hpp"

#include "varlink/error_names.hpp"
#include "varlink/parameters.hpp"
#include "varlink/server.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace shmipc::varlink;
namespace json = boost::json;

namespace {

std::string nested(std::size_t lists) {
    return R"({"method":"a.B","parameters":{"x":)" + std::string(lists, '[') +
           std::string(lists, ']') + "}}";
}

std::string refusal_of(const std::string& text) {
    try {
        parse_call(text);
        return "";
    } catch (const Malformed& malformed) {
        return std::string(malformed.name());
    }
}

}  // namespace

TEST_CASE("messages come out whole, however the bytes arrive") {
    const std::string text("one\0\0three\0rest", 15);
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        CAPTURE(piece);
        MessageCutter cutter;
        std::vector<std::string> messages;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            cutter.feed(std::string_view(text).substr(at, piece));
            while (const auto message = cutter.next()) {
                messages.push_back(*message);
            }
        }
        CHECK(messages == std::vector<std::string>{"one", "", "three"});
        CHECK(cutter.size() == 4);
        cutter.clear();
        CHECK(cutter.size() == 0);
        cutter.feed(std::string_view("\0", 1));
        CHECK(cutter.next() == "");
    }
}

TEST_CASE("a call is read with what it has, and null is as good as missing") {
    const CallMessage bare = parse_call(R"({"method":"a.B"})");
    CHECK(bare.method == "a.B");
    CHECK(bare.parameters.empty());
    CHECK_FALSE((bare.oneway || bare.more || bare.upgrade));
    const CallMessage null =
        parse_call(R"({"method":"a.B","parameters":null,"more":null,"else":1})");
    CHECK(null.parameters.empty());
    CHECK_FALSE(null.more);
    const CallMessage full = parse_call(
        R"( {"method":"a.B","parameters":{"x":1},"oneway":true,"more":true,"upgrade":true} )");
    CHECK(full.parameters.at("x") == 1);
    CHECK((full.oneway && full.more && full.upgrade));
}

TEST_CASE("what is no call is refused by the right name") {
    for (const auto* text : {"", "{", "nonsense", R"({"method":"a.B"}})", "{'method':'a.B'}",
                             "{\"method\":\"a.\xff\"}"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == kNotJson);
    }
    for (const auto* text :
         {"[]", "null", "1", R"("a.B")", "{}", R"({"method":null})", R"({"method":1})",
          R"({"method":"a.B","parameters":[]})", R"({"method":"a.B","parameters":""})",
          R"({"method":"a.B","more":1})", R"({"method":"a.B","oneway":"true"})",
          R"({"method":"a.B","upgrade":{}})"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == kNotVarlink);
    }
    CHECK(refusal_of(nested(kDeepestMessage - 2)).empty());
    CHECK(refusal_of(nested(kDeepestMessage - 1)) == kNotJson);
    CHECK(refusal_of(nested(20'000)) == kNotJson);
}

TEST_CASE("what is encoded is read again") {
    const std::string call = encode_call("a.B", {{"x", "\n\0é"}}, true);
    CHECK(call.find('\0') == call.size() - 1);
    CHECK(parse_call(call.substr(0, call.size() - 1)).more);
    const std::string reply = encode_reply({{"y", 1}}, true);
    const ReplyMessage read = parse_reply(reply.substr(0, reply.size() - 1));
    CHECK(read.continues);
    CHECK(read.error.empty());
    CHECK(read.parameters.at("y") == 1);
    const std::string error = encode_error("a.E", {{"z", 2}});
    const ReplyMessage failed = parse_reply(error.substr(0, error.size() - 1));
    CHECK(failed.error == "a.E");
    CHECK(failed.parameters.at("z") == 2);
    for (const auto* text : {"", "[]", R"({"error":1})", R"({"error":""})", R"({"parameters":1})",
                             R"({"continues":"no"})"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_reply(text), Malformed);
    }
}

TEST_CASE("parameters are read by name and type, and what is wrong is named") {
    const json::object object =
        json::parse(R"({"i":-3,"big":18446744073709551615,"half":1.5,"b":true,"t":"x","l":[1,2],
                        "m":[1,"2"],"n":null})")
            .as_object();
    Parameters parameters(object);
    CHECK(parameters.integer("i") == -3);
    CHECK(parameters.boolean("b") == true);
    CHECK(parameters.text("t") == "x");
    CHECK(parameters.integers("l") == std::vector<std::int64_t>{1, 2});
    for (const auto* name : {"n", "missing"}) {
        CHECK(parameters.integer(name) == std::nullopt);
        CHECK(parameters.boolean(name) == std::nullopt);
        CHECK(parameters.text(name) == std::nullopt);
        CHECK(parameters.integers(name) == std::nullopt);
    }
    CHECK_THROWS_WITH_AS(parameters.finish(), "big", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.integer("big"), "big", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.integer("half"), "half", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.integer("t"), "t", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.boolean("i"), "i", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.text("i"), "i", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.integers("i"), "i", InvalidParameter);
    CHECK_THROWS_WITH_AS(parameters.integers("m"), "m", InvalidParameter);
    CHECK_NOTHROW(parameters.finish());
    const json::object made{{"unsigned", 7U}};
    CHECK(Parameters(made).integer("unsigned") == 7);
}
