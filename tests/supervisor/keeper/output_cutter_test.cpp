#include "keeper/output_cutter.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace shmipc::supervisor;

namespace {

constexpr std::size_t kAll = 1'000'000;

/// What was handed out; "…" at the end of a line that continues.
struct Lines {
    std::vector<std::string> lines;
    OutputCutter::Take take() {
        return [this](std::string_view line, bool continues) {
            lines.push_back(std::string(line) + (continues ? "…" : ""));
        };
    }
};

std::vector<std::string> cut(const std::vector<std::string>& pieces) {
    Lines lines;
    OutputCutter cutter;
    for (const std::string& piece : pieces) {
        CHECK(cutter.feed(piece, kAll, lines.take()) == piece.size());
    }
    cutter.finish(lines.take());
    cutter.finish(lines.take());  // once is enough
    return lines.lines;
}

/// `length` times `c`, and `end` behind it. Not by +, of which GCC 12 warns falsely where it knows
/// both lengths.
std::string row(std::size_t length, char c, std::string_view end) {
    std::string text(length, c);
    text.append(end);
    return text;
}

}  // namespace

TEST_CASE("bytes in any pieces become the lines that were written, empty ones left out") {
    using Expected = std::vector<std::string>;
    CHECK(cut({"one\ntwo\n"}) == Expected{"one", "two"});
    CHECK(cut({"o", "ne\nt", "wo", "\n"}) == Expected{"one", "two"});
    CHECK(cut({"\n\n\r\none\r\n", "\n", " \n"}) == Expected{"one", " "});
    CHECK(cut({std::string("a\0b\n", 4)}) == Expected{std::string("a\0b", 3)});
    CHECK(cut({}).empty());
    CHECK(cut({"", "\n"}).empty());
}

TEST_CASE("half a line comes out when nothing follows, and not before") {
    Lines lines;
    OutputCutter cutter;
    CHECK(cutter.feed("50% ", kAll, lines.take()) == 4);
    CHECK(lines.lines.empty());
    cutter.finish(lines.take());
    CHECK(lines.lines == std::vector<std::string>{"50% "});
    cutter.feed("lost", kAll, lines.take());
    cutter.clear();
    cutter.finish(lines.take());
    CHECK(lines.lines.size() == 1);
}

TEST_CASE("a line of the greatest length is whole, and one beyond it comes in pieces") {
    for (const std::size_t length : {kLongestOutputLine - 1, kLongestOutputLine}) {
        CHECK(cut({row(length, 'x', "\n")}) == std::vector<std::string>{std::string(length, 'x')});
    }
    CHECK(cut({row(kLongestOutputLine + 1, 'x', "\ny\n")}) ==
          std::vector<std::string>{row(kLongestOutputLine, 'x', "…"), "x", "y"});
    const auto endless = cut({std::string(10 * kLongestOutputLine, 'x')});
    CHECK(endless.size() == 10);
    // No half character at the cut.
    const auto pieces = cut({row(kLongestOutputLine - 1, 'x', "ö\n")});
    CHECK(pieces == std::vector<std::string>{row(kLongestOutputLine - 1, 'x', "…"), "ö"});
    CHECK(cut({std::string(2 * kLongestOutputLine, '\x80')}).size() == 2);  // no UTF-8 at all
}

TEST_CASE("no more lines are handed out than are asked for, and none is lost") {
    Lines lines;
    OutputCutter cutter;
    std::string text;
    for (int i = 0; i < 1000; ++i) {
        text += std::to_string(i) + "\n";
    }
    std::size_t used = 0;
    std::size_t turns = 0;
    while (used < text.size()) {
        used += cutter.feed(std::string_view(text).substr(used), 7, lines.take());
        ++turns;
        REQUIRE(lines.lines.size() <= 7 * turns);
    }
    CHECK(turns == 143);
    REQUIRE(lines.lines.size() == 1000);
    CHECK(lines.lines[999] == "999");
}

TEST_CASE("the last ten lines are kept, and two kilobytes of them") {
    LastOutput last;
    CHECK(last.lines().empty());
    for (int i = 0; i < 25; ++i) {
        last.add(std::to_string(i));
    }
    CHECK(last.lines().size() == LastOutput::kLines);
    CHECK(last.lines().front() == "15");
    CHECK(last.lines().back() == "24");
    last.add(std::string(8000, 'x'));
    last.add(std::string(8000, 'y'));
    last.add("end");
    std::size_t bytes = 0;
    for (const std::string& line : last.lines()) {
        bytes += line.size();
    }
    CHECK(bytes <= LastOutput::kBytes);
    CHECK(last.lines().back() == "end");
    CHECK(last.lines().front() == std::string(1024, 'y'));
    last.clear();
    CHECK(last.lines().empty());
}

TEST_CASE("the start of a text ends in a whole character") {
    CHECK(start_of("aö", 3) == "aö");
    CHECK(start_of("aö", 2) == "a");
    CHECK(start_of("aö", 100) == "aö");
    CHECK(start_of("a€b", 3) == "a");
    CHECK(start_of("a€b", 4) == "a€");
    CHECK(start_of("a\xF0\x9F\x98\x80", 4) == "a");
    CHECK(start_of("a\xF0\x9F\x98\x80", 5) == "a\xF0\x9F\x98\x80");
    CHECK(start_of("", 5).empty());
    CHECK(start_of("\x80\x80\x80\x80\x80\x80", 5).size() == 5);
}

TEST_CASE("a priority at the start of a line is taken as the journal does") {
    const auto taken = [](std::string_view line) {
        const int priority = take_priority(line, 6);
        return std::to_string(priority) + std::string(line);
    };
    CHECK(taken("<3>bad") == "3bad");
    CHECK(taken("<0>") == "0");
    CHECK(taken("<7> x") == "7 x");
    for (const auto* line : {"<8>x", "<31>x", "<>x", "< 3>x", " <3>x", "<3", "", "x<3>"}) {
        CHECK(taken(line) == std::string("6") + line);
    }
}
