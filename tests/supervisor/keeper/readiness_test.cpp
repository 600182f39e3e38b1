#include "keeper/readiness.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

/// A process as its readiness sees it: the end of the pipe that it writes to, and what it says in
/// shared memory.
class Candidate {
  public:
    Candidate() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
        pipe_ = os::Fd(ends[1]);
        readiness_ = std::make_shared<Readiness>(
            io_, os::Fd(ends[0]), [this] { return says_so; },
            [this](Readiness::ToldBy how) { told.push_back(how); });
        readiness_->begin();
    }

    /// False if nobody reads it any more.
    bool write(const std::string& text) {
        std::signal(SIGPIPE, SIG_IGN);
        const ssize_t written = ::write(pipe_.get(), text.data(), text.size());
        REQUIRE((written == static_cast<ssize_t>(text.size()) || errno == EPIPE));
        return written > 0;
    }
    void close() { pipe_.reset(); }
    void look() { readiness_->look(); }
    void destroy() { readiness_.reset(); }
    /// All that can be done without waiting.
    void run() {
        io_.restart();
        io_.poll();
    }
    /// Until it has told; the loop sleeps between.
    void run_until_told() {
        io_.restart();
        while (told.empty() && io_.run_one_for(10s) > 0) {
        }
    }

    bool says_so = false;
    std::vector<Readiness::ToldBy> told;

  private:
    boost::asio::io_context io_;
    os::Fd pipe_;
    std::shared_ptr<Readiness> readiness_;
};

const std::vector kByPipe{Readiness::ToldBy::kPipe};
const std::vector kByMemory{Readiness::ToldBy::kSharedMemory};

}  // namespace

TEST_CASE("a newline tells, whatever comes before it, and then nobody listens any more") {
    Candidate candidate;
    candidate.run();
    CHECK(candidate.told.empty());
    REQUIRE(candidate.write("READY=1"));
    candidate.run();
    CHECK(candidate.told.empty());
    std::string words(100, 'x');
    words.append("\nmore");
    REQUIRE(candidate.write(words));
    candidate.run();
    CHECK(candidate.told == kByPipe);
    CHECK_FALSE(candidate.write("\n"));
    candidate.run();
    CHECK(candidate.told == kByPipe);
}

TEST_CASE("who writes 4 KiB without a newline is not listened to, and believed in shared memory") {
    Candidate candidate;
    REQUIRE(candidate.write(std::string(4096, 'x')));
    candidate.run();
    CHECK_FALSE(candidate.write("\n"));
    candidate.says_so = true;
    candidate.run_until_told();
    CHECK(candidate.told == kByMemory);
}

TEST_CASE("where the pipe is closed without a word, shared memory is looked at again and again") {
    Candidate candidate;
    candidate.close();
    candidate.run();
    CHECK(candidate.told.empty());
    candidate.says_so = true;
    candidate.run_until_told();
    CHECK(candidate.told == kByMemory);
    candidate.run();
    CHECK(candidate.told == kByMemory);
}

TEST_CASE("one with its pipe may say it in shared memory first, and still finds a reader") {
    Candidate candidate;
    candidate.look();
    CHECK(candidate.told.empty());
    candidate.says_so = true;
    candidate.look();
    CHECK(candidate.told == kByMemory);
    candidate.look();
    CHECK(candidate.write("\n"));
    candidate.run();
    CHECK(candidate.told ==
          std::vector{Readiness::ToldBy::kSharedMemory, Readiness::ToldBy::kPipe});
    candidate.look();
    CHECK(candidate.told.size() == 2);
}

TEST_CASE("what was read already tells nothing of a process that is buried") {
    Candidate candidate;
    candidate.run();
    REQUIRE(candidate.write("\n"));
    candidate.destroy();
    candidate.run();
    CHECK(candidate.told.empty());
}
