#include "config/listen_address.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace shmipc::supervisor;

TEST_CASE("listen address: an address in numbers and a port") {
    struct Case {
        const char* text;
        const char* host;
        unsigned port;
    };
    for (const Case& c :
         {Case{"127.0.0.1:9464", "127.0.0.1", 9464}, Case{"[::1]:9464", "::1", 9464},
          Case{"0.0.0.0:1", "0.0.0.0", 1}, Case{"[::]:65535", "::", 65535}}) {
        CAPTURE(c.text);
        const auto address = parse_listen_address(c.text);
        REQUIRE(address);
        CHECK(address->host == c.host);
        CHECK(address->port == c.port);
        CHECK(wrong_with_listen_address(c.text).empty());
    }
}

TEST_CASE("listen address: port 0 is for tests, not for a configuration") {
    const auto address = parse_listen_address("127.0.0.1:0");
    REQUIRE(address);
    CHECK(address->port == 0);
    CHECK_FALSE(wrong_with_listen_address("127.0.0.1:0").empty());
}

TEST_CASE("listen address: what is wrong is told, with what is expected") {
    struct Case {
        std::string text;
        const char* part;
    };
    const Case cases[] = {
        {"", "has no port"},
        {"9464", "has no port"},
        {"127.0.0.1", "has no port"},
        {"[::1]", "has no port"},
        {":9464", "has no address"},
        {"[]:9464", "has no address"},
        {"localhost:9464", "'localhost', which is no address in numbers:"},
        {"127.0.0.256:9464", "'127.0.0.256', which is no address in numbers:"},
        {"127.1:9464", "'127.1'"},
        {"::1:9464", "'::1', which is no address in numbers in brackets"},
        {"[127.0.0.1]:9464", "'127.0.0.1'"},
        {"[::1:9464", "'[::1'"},
        {"[fe80::1%lo]:9464", "'fe80::1%lo'"},
        {" 127.0.0.1:9464", "' 127.0.0.1'"},
        {std::string("127.0.0.1\0x:9464", 16), "no address"},
        {"127.0.0.1:", "'', which is no port from 1 to 65535"},
        {"127.0.0.1:65536", "'65536', which is no port from 1 to 65535"},
        {"127.0.0.1:-1", "'-1'"},
        {"127.0.0.1:http", "'http'"},
        {"127.0.0.1:9464 ", "'9464 '"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const std::string wrong = wrong_with_listen_address(c.text);
        CAPTURE(wrong);
        CHECK(wrong.find(c.part) != std::string::npos);
        CHECK(wrong.find(R"(expected an address and a port, such as "127.0.0.1:9464")") !=
              std::string::npos);
        CHECK_FALSE(parse_listen_address(c.text));
    }
}
