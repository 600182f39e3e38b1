#include "keeper/kin.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::string_literals;
using namespace std::string_view_literals;

TEST_CASE("a process's place is read after its name, whatever the name contains") {
    const auto place = parse_place(
        "4711 (a) R 1 (b) 2) S 17 18 19 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 123456 0 0\n");
    REQUIRE(place);
    CHECK(*place == Placed{.parent = 17, .group = 18, .session = 19, .started = 123456});
    CHECK_FALSE(parse_place(""));
    CHECK_FALSE(parse_place("4711 (sh) S 17 18"));
    CHECK_FALSE(parse_place("4711 (sh) S x 18 19 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 1 0 0"));
    CHECK_FALSE(parse_place("4711 (sh S 17 18 19"));
}

TEST_CASE("the mark names a worker of this life, and of no other") {
    const std::string life = random_life();
    CHECK(life.size() == 32);
    CHECK(life != random_life());
    const std::string mark = "SHMIPC_LAUNCH=" + mark_of(life, WorkerIndex{7});
    const auto whose = [&](const std::string& environment) {
        return worker_of(environment, life, 8);
    };
    CHECK(whose(mark) == WorkerIndex{7});
    CHECK(whose("A=b\0"s + mark + "\0C=d"s) == WorkerIndex{7});
    CHECK_FALSE(whose(""));
    CHECK_FALSE(whose("A=" + mark));      // within another variable
    CHECK_FALSE(whose("X" + mark));       // another name
    CHECK_FALSE(whose(mark + "0"));       // no worker of this group
    CHECK_FALSE(whose(mark + " "));       // no number
    CHECK_FALSE(whose("SHMIPC_LAUNCH"));  // cut
    CHECK_FALSE(whose("SHMIPC_LAUNCH=" + life));
    CHECK_FALSE(whose("SHMIPC_LAUNCH=" + mark_of(random_life(), WorkerIndex{7})));
    // A supervisor below a worker marks its own workers: the last one counts.
    CHECK_FALSE(whose(mark + "\0SHMIPC_LAUNCH=other-1"s));
    CHECK_FALSE(worker_of("SHMIPC_LAUNCH=-1", "", 8));
    CHECK(marked("SHMIPC_LAUNCH=abc-12", "abc") == "12"sv);
}
