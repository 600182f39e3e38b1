#include "config/placeholders.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

std::string filled(const std::string& text) {
    return with_values(text, {"demo", 4, WorkerIndex{2}});
}

/// "{indx} {index}": what is wrong, and what was meant; empty if nothing is.
std::string wrong(const std::string& text) {
    const auto found = wrong_placeholder(text);
    return found ? found->text + " " + found->meant : "";
}

}  // namespace

TEST_CASE("the three placeholders stand for their values, anywhere and any number of times") {
    CHECK(filled("{group}-{index}/{workers}") == "demo-2/4");
    CHECK(filled("{index}{index}") == "22");
    CHECK(filled("a{index") == "a{index");
    CHECK(filled("{{index}}") == "{2}");
    CHECK(filled("{index}}") == "2}");
    CHECK(filled("").empty());
    CHECK(filled("--cpu={index},x") == "--cpu=2,x");
}

TEST_CASE("all other braces are left as they are") {
    for (const auto* text :
         {"{", "}", "{}", "{ index }", "{index }", "{1}", "{a,b}", "{\"index\":1}", "${index}",
          "a(){ :; }; ${group}", "{{.Names}}", "%{http_code}", "x{2,3}", "{id}", "{print}",
          "${index:-3}", "$${index}"}) {
        CAPTURE(text);
        CHECK(filled(text) == text);
    }
}

TEST_CASE("a name that is nearly one of the three is wrong, with what was meant") {
    CHECK(wrong("{indx}") == "{indx} {index}");
    CHECK(wrong("--name={idx}") == "{idx} {index}");
    CHECK(wrong("{Index}") == "{Index} {index}");
    CHECK(wrong("{INDEX}") == "{INDEX} {index}");
    CHECK(wrong("{worker}") == "{worker} {workers}");
    CHECK(wrong("{wokers}") == "{wokers} {workers}");
    CHECK(wrong("{worker_index}") == "{worker_index} {index}");
    CHECK(wrong("{worker-index}") == "{worker-index} {index}");
    CHECK(wrong("{grp}") == "{grp} {group}");
    CHECK(wrong("{groups}") == "{groups} {group}");
    CHECK(wrong("{index}{indx}") == "{indx} {index}");
}

TEST_CASE("what a shell, JSON or another program's template has in braces is not wrong") {
    for (const auto* text : {"{group}{workers}{index}",
                             "${indx}",
                             "${worker}",
                             "{{indx}}",
                             "%{indx}",
                             "{ indx; }",
                             "f(){ echo $1; }; f",
                             "{\"worker\":1}",
                             "{'worker'}",
                             "{worker:1}",
                             "{print}",
                             "awk '{print}'",
                             "{a,worker}",
                             "{}",
                             "{id}",
                             "{name}",
                             "{3}",
                             "{worker",
                             "worker}",
                             "{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaindex}"}) {
        CAPTURE(text);
        CHECK(wrong(text).empty());
    }
    const std::string many(100'000, '{');
    CHECK(wrong(many).empty());
    CHECK(filled(many) == many);
}

TEST_CASE("another name in braces is doubtful where it is no part of a script") {
    CHECK(doubtful_placeholder("{id}") == "{id}");
    CHECK(doubtful_placeholder("/dev/cam{number}") == "{number}");
    CHECK(doubtful_placeholder("{index}{name}") == "{name}");
    for (const auto* text : {"{index}", "{{id}}", "${id}", "%{id}", "awk '{print}'", "{a,b}",
                             "f(){ id; }", "{1}", "x"}) {
        CAPTURE(text);
        CHECK_FALSE(doubtful_placeholder(text));
    }
    CHECK(has_placeholder("a{index}"));
    CHECK_FALSE(has_placeholder("${index} {id}"));
}
