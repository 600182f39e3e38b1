#include "daemon/console.hpp"

#include "base/os.hpp"

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

struct Pipe {
    os::Fd read;
    os::Fd write;
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        read = os::Fd(ends[0]);
        write = os::Fd(ends[1]);
    }
    void put(const std::string& text) const {
        REQUIRE(::write(write.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
};

}  // namespace

TEST_CASE("lines come out whole, however the bytes arrive") {
    const std::string text = "1\n\n  2 \r\nquit now\n3";
    const std::vector<std::string> expected{"1", "", "2", "quit now"};
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        CAPTURE(piece);
        LineCutter cutter;
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            cutter.feed(std::string_view(text).substr(at, piece),
                        [&](std::string_view line) { lines.emplace_back(line); });
        }
        CHECK(lines == expected);
    }
}

TEST_CASE("an endless line takes no memory, and is no command at its end") {
    LineCutter cutter;
    std::vector<std::string> lines;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    for (int i = 0; i < 1000; ++i) {
        cutter.feed(std::string(1000, '1'), take);
    }
    cutter.feed("\n1\n", take);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].size() <= kLongestConsoleLine + 1);
    CHECK(parse_console_line(lines[0], 1024).kind == ConsoleCommand::Kind::kUnknown);
    CHECK(lines[1] == "1");
}

TEST_CASE("a line is a worker's number, q, nothing, or unknown") {
    using Kind = ConsoleCommand::Kind;
    CHECK(parse_console_line("0", 3) == ConsoleCommand{Kind::kToggle, WorkerIndex{0}});
    CHECK(parse_console_line("2", 3) == ConsoleCommand{Kind::kToggle, WorkerIndex{2}});
    CHECK(parse_console_line("", 3).kind == Kind::kNothing);
    CHECK(parse_console_line("q", 3).kind == Kind::kQuit);
    for (const auto* line : {"3", "-1", "1 2", "x", "qq", "Q", "1.", "99999999999999999999"}) {
        CAPTURE(line);
        CHECK(parse_console_line(line, 3).kind == Kind::kUnknown);
    }
}

TEST_CASE("the console obeys lines, ends at the end of input, and leaves the input as it was") {
    Pipe input;
    const int flags = ::fcntl(input.read.get(), F_GETFL);
    std::vector<std::string> orders;
    boost::asio::io_context io;
    {
        Console console(
            io, input.read.get(), 3,
            {.toggle = [&](WorkerIndex w) { orders.push_back(std::to_string(to_number(w))); },
             .quit = [&](std::string_view why) { orders.emplace_back(why); }});
        console.start();
        SUBCASE("q, and what follows it is not obeyed") {
            input.put("1\n2\nnonsense\nq\n0\n");
            io.run();
            CHECK(orders == std::vector<std::string>{"1", "2", "q"});
        }
        SUBCASE("end of input") {
            input.put("1\n2");
            input.write.reset();
            io.run();
            CHECK(orders == std::vector<std::string>{"1", "end of input"});
        }
        CHECK(::fcntl(input.read.get(), F_GETFL) == flags);
    }
    CHECK(::fcntl(input.read.get(), F_GETFL) == flags);
}
