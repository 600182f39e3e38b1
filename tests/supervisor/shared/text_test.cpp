#include "shared/text.hpp"

#include "shared/excerpt.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using namespace shmipc::supervisor;
using namespace std::chrono_literals;

TEST_CASE("a number is nothing but digits, and not above the maximum") {
    CHECK(parse_number("0", 9) == 0);
    CHECK(parse_number("1023", 1023) == 1023);
    CHECK(parse_number("18446744073709551615", std::numeric_limits<std::uint64_t>::max()) ==
          std::numeric_limits<std::uint64_t>::max());
    for (const auto* text :
         {"", " ", "-1", "+1", "1 ", " 1", "1.0", "0x1", "1024", "q", "18446744073709551616"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_number(text, 1023));
    }
}

TEST_CASE("a duration is written in the largest unit that is exact") {
    CHECK(to_text(0ms) == "0s");
    CHECK(to_text(1ms) == "1ms");
    CHECK(to_text(999ms) == "999ms");
    CHECK(to_text(1000ms) == "1s");
    CHECK(to_text(1001ms) == "1001ms");
    CHECK(to_text(60s) == "1m");
    CHECK(to_text(90s) == "90s");
    CHECK(to_text(3600s) == "1h");
}

TEST_CASE("the nearest word is the one with the fewest changes, and none if all are far") {
    const std::vector<std::string> words{"workers", "worker", "group", "slots", "persist"};
    CHECK(nearest("workrs", words) == "workers");
    CHECK(nearest("Group", words) == "group");
    CHECK(nearest("slot", words) == "slots");
    CHECK(nearest("presist", words) == "persist");
    CHECK(nearest("database", words).empty());
    CHECK(nearest("", words).empty());
    CHECK(nearest("x", {}).empty());
}

TEST_CASE("workers are named in the singular and in the plural") {
    using shmipc::WorkerIndex;
    CHECK(name_workers({WorkerIndex{1}}) == "worker 1");
    CHECK(name_workers({WorkerIndex{0}, WorkerIndex{2}, WorkerIndex{3}}) == "workers 0, 2, 3");
    CHECK(name_workers({WorkerIndex{0}, WorkerIndex{1}, WorkerIndex{2}, WorkerIndex{5}}) ==
          "workers 0-2, 5");
}

TEST_CASE("an excerpt keeps beginning and end, and whole characters") {
    CHECK(excerpt("0123456789", 10) == "0123456789");
    CHECK(excerpt("0123456789", 6) == "012 … 789");
    CHECK(excerpt("01µ3456µ89", 6) == "01 … 89");
    CHECK(excerpt(std::string(1000, 'x'), 100).size() < 110);
    CHECK(excerpt("\x80\x80\x80\x80\x80\x80", 2) == " … ");
}
