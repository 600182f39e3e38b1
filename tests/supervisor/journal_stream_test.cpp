#include "keeper/journal_stream.hpp"

#include "keeper/launch.hpp"

#include <shmipc/os.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.hpp"

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

/// Listens where journald takes streams.
class Streams {
  public:
    Streams(const std::string& path, int backlog)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path.size() < sizeof(address.sun_path));
        std::memcpy(address.sun_path, path.data(), path.size());
        REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
                0);
        REQUIRE(::listen(fd_.get(), backlog) == 0);
    }
    os::Fd accept() { return os::Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

  private:
    os::Fd fd_;
};

/// Until the other end is closed.
std::string read_all(const os::Fd& fd) {
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while ((count = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

bool has(const std::vector<std::string>& entries, const std::string& entry) {
    return std::find(entries.begin(), entries.end(), entry) != entries.end();
}

const std::string kHeader = "\n\n6\n1\n0\n0\n0\n";

}  // namespace

TEST_CASE("a worker's own output goes to the journal under a name of its own, and it knows") {
    const test::Scratch scratch;
    LaunchContext context;
    context.log_format = log::Format::kJournal;
    context.journal_streams = scratch.path() + "/stdout";
    context.environment = {"JOURNAL_STREAM=1:1", "PATH=/usr/bin:/bin"};
    Streams streams(context.journal_streams, 10);
    Config config;
    config.worker.command = {"sh", "-c", "echo \"$JOURNAL_STREAM\"; echo oops >&2"};
    ChildSpec spec = plan_launch(config, WorkerIndex{2}, config.worker, "/bin/sh", context);
    os::Fd output = open_output(spec, WorkerIndex{2}, context);
    REQUIRE(output);
    CHECK((::fcntl(output.get(), F_GETFL) & O_NONBLOCK) == 0);
    redirect(spec, output);
    const std::string stream = os::device_and_inode(output.get());
    CHECK(has(spec.environment, "JOURNAL_STREAM=" + stream));
    CHECK_FALSE(has(spec.environment, "JOURNAL_STREAM=1:1"));
    CHECK(has(spec.environment, "SHMIPC_LOG_FORMAT=journal"));
    const Child child = spawn(spec);
    output.reset();
    const os::Fd journald = streams.accept();
    REQUIRE(journald);
    CHECK(read_all(journald) == "sh-2" + kHeader + stream + "\noops\n");
    CHECK(::waitpid(child.pid, nullptr, 0) == child.pid);
}

TEST_CASE(
    "without a journal, or with one that has no room, a worker's output is the supervisor's") {
    const test::Scratch scratch;
    const std::string path = scratch.path() + "/stdout";
    CHECK_FALSE(open_journal_stream("w-1", path));
    CHECK_FALSE(open_journal_stream("w-1", "/" + std::string(200, 'x')));
    Streams streams(path, 0);
    std::vector<os::Fd> taken;
    for (;;) {  // comes to an end: does not wait for a listener that accepts nobody
        os::Fd stream = open_journal_stream("w-1", path);
        if (!stream) {
            break;
        }
        taken.push_back(std::move(stream));
        REQUIRE(taken.size() < 10'000);
    }
    LaunchContext context;
    context.journal_streams = path;
    ChildSpec spec;
    spec.program = "/bin/true";
    spec.environment = {"JOURNAL_STREAM=kept"};
    CHECK_FALSE(open_output(spec, WorkerIndex{1}, context));  // JSON: not the journal's business
    redirect(spec, os::Fd());
    CHECK(spec.output == -1);
    CHECK(spec.environment == std::vector<std::string>{"JOURNAL_STREAM=kept"});
}

TEST_CASE("an identifier cannot forge the stream's header") {
    const test::Scratch scratch;
    const std::string path = scratch.path() + "/stdout";
    Streams streams(path, 1);
    open_journal_stream("a\nb", path).reset();
    CHECK(read_all(streams.accept()) == "a_b" + kHeader);
}

TEST_CASE("a JOURNAL_STREAM that is not true any more is not handed on") {
    const auto handed_on = [](const std::string& value) {
        ::setenv("JOURNAL_STREAM", value.c_str(), 1);
        const LaunchContext context = launch_context(log::Format::kJson);
        ::unsetenv("JOURNAL_STREAM");
        return has(context.environment, "JOURNAL_STREAM=" + value);
    };
    CHECK(handed_on(os::device_and_inode(STDERR_FILENO)));
    CHECK(handed_on(os::device_and_inode(STDOUT_FILENO)));
    CHECK_FALSE(handed_on("1:1"));
}
