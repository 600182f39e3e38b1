// What shmipcctl makes of texts: escaping, clipping, tables, names of signals and workers, places.
#include "ctl/output.hpp"
#include "ctl/place.hpp"
#include "ctl/printable.hpp"
#include "ctl/signals.hpp"
#include "ctl/styled.hpp"
#include "ctl/table.hpp"
#include "ctl/worker_list.hpp"
#include "shared/runtime_dir.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::ctl;

TEST_CASE("no text can send anything to the terminal but characters") {
    CHECK(printable("plain, and µ … 漢") == "plain, and µ … 漢");
    CHECK(printable("\x1b[2J\a\r\n\t\x7f") == "\\x1b[2J\\x07\\x0d\\x0a\\x09\\x7f");
    CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
    CHECK(printable("\xC2\x9B"
                    "2J") == "\\u{9b}2J");  // CSI in one character
    CHECK(printable("\xE2\x80\xAE"
                    "gpj") == "\\u{202e}gpj");     // right-to-left override
    CHECK(printable("\xFF\xC3") == "\\xff\\xc3");  // stray bytes
    CHECK(printable("\xC0\x8A\xED\xA0\x80") == "\\xc0\\x8a\\xed\\xa0\\x80");  // overlong, surrogate
    CHECK(printable_lines("a\n\tb\x1b") == "a\n\tb\\x1b");
    for (unsigned byte = 0; byte < 256; ++byte) {
        CAPTURE(byte);
        const std::string text = printable(std::string(1, static_cast<char>(byte)));
        for (const char c : text) {
            CHECK(static_cast<unsigned char>(c) >= 0x20);
            CHECK(static_cast<unsigned char>(c) < 0x7F);
        }
    }
}

TEST_CASE("JSON stays the same value, and escapes what a terminal would obey") {
    const boost::json::object object{{"text",
                                      "\xC2\x9B"
                                      "2J\x1b\x7f µ \xE2\x80\xAE"}};
    const std::string line = json_line(object);
    CHECK(line.find("\\u009b2J\\u001") != std::string::npos);
    CHECK(line.find("\\u007f µ \\u202e\"}\n") != std::string::npos);
    CHECK(boost::json::parse(line) == object);
}

TEST_CASE("text is clipped to columns, not to bytes") {
    CHECK(columns_of("µ漢e\u0301") == 4);
    CHECK(clip("abc", 3) == "abc");
    CHECK(clip("abcd", 3) == "ab…");
    CHECK(clip("µµµµ", 3) == "µµ…");
    CHECK(clip("漢漢漢", 4) == "漢…");
    CHECK(clip("abc", 1) == "…");
    CHECK(clip("abc", 0).empty());
    CHECK(text_of(clip(Line{{"ab"}, {"cd", Style::kBad}, {"ef"}}, 3)) == "ab…");
}

TEST_CASE("colours stand around styled text alone, and only if they are wanted") {
    const Line line{{"a "}, {"b", Style::kGood}};
    CHECK(to_ansi(line, false) == "a b");
    CHECK(to_ansi(line, true) == "a \x1b[32mb\x1b[0m");
    CHECK(use_colour("auto", true, nullptr, "xterm"));
    CHECK(use_colour("auto", true, "", "xterm"));
    CHECK_FALSE(use_colour("auto", false, nullptr, "xterm"));
    CHECK_FALSE(use_colour("auto", true, "1", "xterm"));
    CHECK_FALSE(use_colour("auto", true, nullptr, "dumb"));
    CHECK_FALSE(use_colour("auto", true, nullptr, nullptr));
    CHECK(use_colour("always", false, "1", "dumb"));
    CHECK_FALSE(use_colour("never", true, nullptr, "xterm"));
}

namespace {

const Table kTable{
    {{"n", Align::kRight},
     {"state", Align::kLeft},
     {"pid", Align::kRight, 1},
     {"why", Align::kLeft, 2, 4}},
    {{{"7"}, {"up"}, {"123"}, {"because of it"}}, {{"10"}, {"stopping"}, {"-"}, {"no"}}}};

std::vector<std::string> texts(const std::vector<Line>& lines) {
    std::vector<std::string> result;
    result.reserve(lines.size());
    for (const Line& line : lines) {
        result.push_back(text_of(line));
    }
    return result;
}

}  // namespace

TEST_CASE("a table is aligned: numbers to the right, the last column without blanks") {
    CHECK(texts(lay_out(kTable, 0)) == std::vector<std::string>{" n  state     pid  why",
                                                                " 7  up        123  because of it",
                                                                "10  stopping    -  no"});
}

TEST_CASE("a table that is too wide shrinks first, then leaves columns out by rank") {
    CHECK(texts(lay_out(kTable, 25))[1] == " 7  up        123  becau…");
    CHECK(texts(lay_out(kTable, 23))[1] == " 7  up        123  bec…");
    CHECK(texts(lay_out(kTable, 22))[1] == " 7  up        123");
    CHECK(texts(lay_out(kTable, 16))[1] == " 7  up");
    CHECK(texts(lay_out(kTable, 5))[2] == "10  …");
    for (std::size_t width = 1; width < 40; ++width) {
        CAPTURE(width);
        const std::vector<Line> lines = lay_out(kTable, width);
        CHECK(lines.size() == 3);
        for (const Line& line : lines) {
            CHECK(columns_of(text_of(line)) <= width);
        }
    }
}

TEST_CASE("signals are known by number and by name, with and without SIG") {
    CHECK(parse_signal("9") == 9);
    CHECK(parse_signal("64") == 64);
    CHECK(parse_signal("KILL") == 9);
    CHECK(parse_signal("SIGKILL") == 9);
    CHECK(parse_signal("usr1") == 10);
    for (const char* const text : {"", "0", "65", "-9", "9x", "SIG", "NOPE", "SIGSIGKILL"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_signal(text));
    }
    CHECK(describe_signal(9) == "signal 9 (KILL)");
    CHECK(describe_signal(40) == "signal 40");
}

TEST_CASE("workers are described as they are named") {
    const auto described = [](const char* text) {
        return describe_workers(parse_worker_list(text, 10));
    };
    CHECK(described("1") == "worker 1");
    CHECK(described("0,1") == "workers 0, 1");
    CHECK(described("0,2-5,9") == "workers 0, 2-5, 9");
    CHECK(described("all") == "workers 0-9");
    for (const char* const text : {"0", "0,2-5,9", "3,7", "all"}) {
        const auto workers = parse_worker_list(text, 10);
        std::string list = describe_workers(workers);
        list.erase(0, list.find(' ') + 1);
        for (std::size_t blank = list.find(' '); blank != std::string::npos;
             blank = list.find(' ')) {
            list.erase(blank, 1);
        }
        CHECK(parse_worker_list(list, 10) == workers);
    }
}

TEST_CASE("the socket is where it is said to be, else where the supervisor makes it") {
    using Paths = std::vector<std::string>;
    Place place;
    place.group = "demo";
    const std::string system = "/run/shmipc/demo.control";
    const std::string units = "/run/shmipc-demo/demo.control";
    CHECK(socket_candidates(place, {0, "/run/user/0"}) == Paths{system, units});
    CHECK(socket_candidates(place, {7, "/run/user/7"}) ==
          Paths{"/run/user/7/shmipc/demo.control", system, units});
    CHECK(socket_candidates(place, {7}) == Paths{"/tmp/shmipc-7/demo.control", system, units});
    CHECK(socket_candidates(place, {7, "relative"}).front() == "/tmp/shmipc-7/demo.control");
    place.runtime_dir = "/d";
    CHECK(socket_candidates(place, {7, "/run/user/7", "/run/x"}) == Paths{"/d/demo.control"});
    place.socket = "/s";
    CHECK(socket_candidates(place, {7, "/run/user/7", "/run/x"}) == Paths{"/s"});
    CHECK(supervisor::runtime_directory("/x") == "/x");
}

TEST_CASE("within a service, the socket is looked for in its own directory, and not in /tmp") {
    using Paths = std::vector<std::string>;
    Place place;
    place.group = "demo";
    const std::string system = "/run/shmipc/demo.control";
    const std::string units = "/run/shmipc-demo/demo.control";
    CHECK(socket_candidates(place, {7, nullptr, "/run/shmipc-demo"}) == Paths{units, system});
    CHECK(socket_candidates(place, {7, nullptr, "/run/robot:/run/other"}) ==
          Paths{"/run/robot/demo.control", system, units});
    CHECK(
        socket_candidates(place, {7, "/run/user/7", "/run/user/7/robot"}) ==
        Paths{"/run/user/7/robot/demo.control", "/run/user/7/shmipc/demo.control", system, units});
    CHECK(socket_candidates(place, {7, nullptr, ""}).front() == "/tmp/shmipc-7/demo.control");
}

TEST_CASE("remedies call shmipcctl for the same supervisor") {
    CHECK(Place{}.command("status") == "shmipcctl status");
    CHECK(Place{"demo", "", ""}.command("status") == "shmipcctl --group demo status");
    CHECK(Place{"demo", "", "/d"}.command("top") == "shmipcctl --group demo --runtime-dir /d top");
    CHECK(Place{"shmipc", "/s", ""}.command("top") == "shmipcctl --socket /s top");
}
