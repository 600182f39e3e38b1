#include "keeper/worker_output.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "scratch.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

/// The log goes to a journal that is not there, and to the test.
class Log {
  public:
    Log() {
        log::init({.identifier = "t",
                   .prefix = "t",
                   .format = log::Format::kJournal,
                   .journal_socket = scratch_.path() + "/none"});
        log::set_tap([this](log::Level level, log::Event event, std::string_view message,
                            std::span<const log::Field>) {
            lines.push_back((event == log::Event::kLogDropped ? "dropped: " : "") +
                            std::string(level == log::Level::kError ? "error: " : "") +
                            std::string(message));
        });
    }
    ~Log() {
        log::set_tap({});
        log::init({.identifier = {}, .prefix = {}, .format = log::Format::kHuman});
    }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    std::vector<std::string> lines;

  private:
    test::Scratch scratch_;
};

void write_all(const os::Fd& fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count =
            os::retry([&] { return ::write(fd.get(), text.data(), text.size()); });
        REQUIRE(count > 0);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

}  // namespace

TEST_CASE("what a process writes is passed on line by line, and the rest when it is dead") {
    Log log;
    boost::asio::io_context io{1};
    WorkerOutput output(io, WorkerIndex{1});
    os::Fd pipe = output.open("g", "/bin/sh");
    CHECK((::fcntl(pipe.get(), F_GETFL) & O_NONBLOCK) == 0);
    output.begin(4711);
    write_all(pipe, "1: ready\n<3>bad\nhalf");
    while (log.lines.size() < 2) {
        REQUIRE(io.run_one_for(60s) == 1);
    }
    CHECK(log.lines == std::vector<std::string>{"1: ready", "error: bad"});
    write_all(pipe, " a line\nlast words");
    // Somebody else holds the other end: nobody waits for him.
    output.finish();
    CHECK(log.lines ==
          std::vector<std::string>{"1: ready", "error: bad", "half a line", "last words"});
    CHECK(output.last() == std::vector<std::string>{"ready", "bad", "half a line", "last words"});
    output.finish();
    CHECK(log.lines.size() == 4);
    io.restart();
    io.run();  // comes to an end: nothing waits for the pipe
    pipe = output.open("g", "/bin/sh");
    CHECK(output.last().empty());
}

TEST_CASE("a process that closes its output is not asked again, and may go on") {
    Log log;
    boost::asio::io_context io{1};
    WorkerOutput output(io, WorkerIndex{0});
    os::Fd pipe = output.open("g", "w");
    output.begin(1);
    write_all(pipe, "bye");
    pipe.reset();
    io.run();
    CHECK(log.lines == std::vector<std::string>{"bye"});
    output.finish();
    CHECK(log.lines.size() == 1);
}

TEST_CASE("of a flood that a dead process has left the end is told, and the rest counted") {
    Log log;
    boost::asio::io_context io{1};
    WorkerOutput output(io, WorkerIndex{2});
    const os::Fd pipe = output.open("g", "w");
    std::string flood;
    for (int i = 0; i < 5000; ++i) {
        flood += std::to_string(i) + "\n";
    }
    write_all(pipe, flood);
    output.begin(1);
    output.finish();
    REQUIRE(log.lines.size() == 1001);
    CHECK(log.lines.front().starts_with("dropped: 4000 lines that worker 2 wrote"));
    CHECK(log.lines.back() == "4999");
}

TEST_CASE("a process that floods waits, and nobody else") {
    Log log;
    boost::asio::io_context io{1};
    WorkerOutput flooding(io, WorkerIndex{0});
    WorkerOutput quiet(io, WorkerIndex{1});
    os::Fd flood = flooding.open("g", "w");
    os::Fd word = quiet.open("g", "w");
    flooding.begin(1);
    quiet.begin(2);
    std::thread writer([&flood] {
        const std::string lines = "y\ny\ny\ny\ny\ny\ny\ny\n";
        for (int i = 0; i < 20'000; ++i) {
            // Fails when the reader has seen enough.
            static_cast<void>(
                os::retry([&] { return ::write(flood.get(), lines.data(), lines.size()); }));
        }
        flood.reset();
    });
    while (log.lines.size() < 1000) {
        REQUIRE(io.run_one_for(60s) == 1);
    }
    write_all(word, "a word\n");
    const std::size_t before = log.lines.size();
    const auto told = [&log] {
        return std::find(log.lines.begin(), log.lines.end(), "a word") != log.lines.end();
    };
    for (int turns = 0; turns < 8 && !told(); ++turns) {
        REQUIRE(io.run_one_for(60s) == 1);
    }
    CHECK(told());
    CHECK(log.lines.size() - before <= 8 * 64);
    word.reset();
    io.run();  // until both are closed
    writer.join();
    CHECK(log.lines.size() == 160'001);
}
