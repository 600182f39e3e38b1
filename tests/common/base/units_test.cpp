#include "base/units.hpp"

#include <doctest/doctest.h>

using namespace shmipc;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their unit, whole or broken") {
    CHECK(parse_duration("0") == 0ns);
    CHECK(parse_duration("40ns") == 40ns);
    CHECK(parse_duration("10us") == 10us);
    CHECK(parse_duration("10µs") == 10us);
    CHECK(parse_duration("250ms") == 250ms);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("0.000001s") == 1us);
    CHECK(parse_duration("0.05ms") == 50us);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("1.25h") == 75min);
    CHECK(parse_duration("0s") == 0ns);
    CHECK(parse_duration("999999999s") == std::chrono::nanoseconds(999999999s));
    CHECK(parse_duration("999999999.999999999ns") == 1000000000ns);
}

TEST_CASE("what is no duration is refused") {
    for (const char* text : {"",
                             "1",
                             "s",
                             "1 s",
                             " 1s",
                             "1s ",
                             "-1s",
                             "+1s",
                             "1.s",
                             ".5s",
                             "1..5s",
                             "1,5s",
                             "1S",
                             "1sec",
                             "1e3s",
                             "0x1s",
                             "1ss",
                             "1.",
                             "1.5",
                             "00",
                             "1000000000s",
                             "1.0000000000s",
                             "inf",
                             "nan",
                             "1d",
                             "1µ",
                             "1\0s",
                             "ms",
                             "9999999999999999999h"}) {
        CHECK_MESSAGE(!parse_duration(text), text);
    }
}

TEST_CASE("a duration that no clock can hold is refused and not wrapped") {
    CHECK_FALSE(parse_duration("999999999h"));
    CHECK_FALSE(parse_duration("2562048h"));
    const auto longest = parse_duration("2562046h");
    REQUIRE(longest);
    CHECK(*longest == std::chrono::nanoseconds(2562046h));
    const auto broken = parse_duration("2562046.999999999h");
    REQUIRE(broken);
    CHECK(*broken > *longest);
}

TEST_CASE("sizes are read with their unit") {
    CHECK(parse_bytes("0") == 0U);
    CHECK(parse_bytes("64") == 64U);
    CHECK(parse_bytes("500B") == 500U);
    CHECK(parse_bytes("4KiB") == 4096U);
    CHECK(parse_bytes("16MiB") == 16U << 20U);
    CHECK(parse_bytes("1GiB") == 1U << 30U);
    CHECK(parse_bytes("8589934591GiB") == 8589934591ULL << 30U);
}

TEST_CASE("what is no size is refused, and so is one of 2^63 and more") {
    for (const char* text : {"", "KiB", "1 KiB", "-1", "+1", "1.5KiB", "1kB", "1KB", "1K", "1TiB",
                             "1b", " 1", "1 ", "0x10", "8589934592GiB", "999999999999999999GiB",
                             "1000000000000000000", "99999999999999999999"}) {
        CHECK_MESSAGE(!parse_bytes(text), text);
    }
}

TEST_CASE("durations are written for people") {
    CHECK(describe_duration(0ns) == "0 us");
    CHECK(describe_duration(17us) == "17 us");
    CHECK(describe_duration(17ms) == "17 ms");
    CHECK(describe_duration(2100ms) == "2.1 s");
    CHECK(describe_duration(59s) == "59.0 s");
    CHECK(describe_duration(60s) == "1 min 0 s");
    CHECK(describe_duration(125s) == "2 min 5 s");
    CHECK(describe_duration(3h + 12min + 59s) == "3 h 12 min");
    CHECK(describe_duration(100h) == "100 h 0 min");
}
