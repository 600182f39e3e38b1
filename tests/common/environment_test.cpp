// What a supervisor hands to its workers.
#include "child.hpp"
#include "group_guard.hpp"
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

constexpr WorkerIndex kFirst{0};

struct Pipe {
    os::Fd out;
    os::Fd in;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    os::require("pipe", [&] { return ::pipe2(ends.data(), O_CLOEXEC); });
    return {os::Fd(ends[0]), os::Fd(ends[1])};
}

/// What a supervisor tells its worker.
void given(const std::string& group, const std::string& index, int fd, const std::string& pipe) {
    ::setenv("SHMIPC_GROUP", group.c_str(), 1);
    ::setenv("SHMIPC_INDEX", index.c_str(), 1);
    ::setenv("SHMIPC_READY_FD", std::to_string(fd).c_str(), 1);
    ::setenv("SHMIPC_READY_PIPE", pipe.c_str(), 1);
}

bool has_word(const os::Fd& pipe) {
    pollfd waiting{.fd = pipe.get(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) != 0;
}

}  // namespace

TEST_CASE("a worker attaches by its environment, and names the variable that is missing or wrong") {
    const GroupGuard guard(3, 96, 7);
    Child child([&](Child::Line&) {
        struct Variable {
            const char* name;
            std::string good;
            Errc code;
            std::vector<const char*> bad;
        };
        const std::array<Variable, 5> variables{{
            {"SHMIPC_GROUP", guard.config.name, Errc::kInvalidGroupName, {"", "a.b"}},
            {"SHMIPC_WORKERS",
             "3",
             Errc::kInvalidGeometry,
             {"", "1", "1025", "x", "3x", " 3", "-1", "99999999999999999999"}},
            {"SHMIPC_INDEX", "2", Errc::kInvalidIndex, {"", "3", "-1", "two", "4294967298"}},
            {"SHMIPC_CAPACITY", "96", Errc::kInvalidGeometry, {"", "7", "1073741825", "1KiB"}},
            {"SHMIPC_SLOTS", "7", Errc::kInvalidGeometry, {"", "3", "65", "4097", "x"}},
        }};
        for (const Variable& variable : variables) {
            ::setenv(variable.name, variable.good.c_str(), 1);
        }
        for (const Variable& variable : variables) {
            ::unsetenv(variable.name);
            const Caught missing = catch_error([] { return Worker::attach_from_environment(); });
            if (missing.code != variable.code || !missing.tells({variable.name, "not set"})) {
                throw std::runtime_error(std::string(variable.name) + " unset: " + missing.text);
            }
            for (const char* bad : variable.bad) {
                ::setenv(variable.name, bad, 1);
                const Caught caught = catch_error([] { return Worker::attach_from_environment(); });
                if (caught.code != variable.code || !caught.tells({bad})) {
                    throw std::runtime_error(std::string(variable.name) + "=" + bad + ": " +
                                             caught.text);
                }
            }
            ::setenv(variable.name, variable.good.c_str(), 1);
        }
        if (!guard.left().empty()) {
            return 1;
        }
        const Worker worker = Worker::attach_from_environment();
        return worker.index() == WorkerIndex{2} && worker.workers() == 3 &&
                       worker.capacity() == 96 && worker.group() == guard.config.name
                   ? 0
                   : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a worker tells its supervisor once that it is ready, on the pipe that it was given") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        Pipe pipe = make_pipe();
        given(guard.config.name, "0", pipe.in.get(), os::device_and_inode(pipe.in.get()));
        const int number = pipe.in.get();
        Worker worker = Worker::attach(guard.config, kFirst);
        if (std::getenv("SHMIPC_READY_FD") != nullptr ||
            std::getenv("SHMIPC_READY_PIPE") != nullptr ||
            (::fcntl(number, F_GETFD) & FD_CLOEXEC) == 0) {
            return 1;
        }
        worker.ready();
        worker.ready();
        // Its own; the library has closed it.
        static_cast<void>(pipe.in.release());
        std::array<char, 8> text{};
        // One line, then the end: the descriptor is closed.
        return ::read(pipe.out.get(), text.data(), text.size()) == 1 && text[0] == '\n' &&
                       ::read(pipe.out.get(), text.data(), text.size()) == 0
                   ? 0
                   : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("the pipe waits for the membership that it was given to, and for that to attach") {
    const GroupGuard guard(2);
    const GroupGuard other(3);
    Worker busy = Worker::attach(guard.config, kFirst);
    Child child([&](Child::Line& line) {
        Pipe pipe = make_pipe();
        given(guard.config.name, "0", pipe.in.get(), os::device_and_inode(pipe.in.get()));
        Worker far = Worker::attach(other.config, kFirst);
        Worker neighbour = Worker::attach(guard.config, WorkerIndex{1});
        far.ready();
        neighbour.ready();
        AttachOptions at_once;
        at_once.identity_timeout = std::chrono::milliseconds{0};
        if (catch_error([&] { return Worker::attach(guard.config, kFirst, at_once); }).code !=
                Errc::kIdentityBusy ||
            std::getenv("SHMIPC_READY_FD") == nullptr || has_word(pipe.out)) {
            return 1;
        }
        line.tell();
        line.hear();
        Worker mine = Worker::attach(guard.config, kFirst);
        static_cast<void>(pipe.in.release());
        far.ready();
        if (has_word(pipe.out)) {
            return 2;
        }
        mine.ready();
        return has_word(pipe.out) ? 0 : 3;
    });
    child.hear();
    { const Worker gone = std::move(busy); }
    child.tell();
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a variable that is stale, or names another's pipe, does nothing") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        const Pipe pipe = make_pipe();
        const Pipe strange = make_pipe();
        const std::string group = guard.config.name;
        const int in = pipe.in.get();
        const std::string name = os::device_and_inode(in);
        struct Case {
            std::string group;
            std::string index;
            std::string fd;
            std::string pipe;
        };
        const os::Fd file(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        std::vector<Case> cases{
            {group, "0", std::to_string(in), os::device_and_inode(strange.in.get())},
            {group, "0", std::to_string(in), ""},
            {group, "0", std::to_string(strange.in.get()), name},
            {group, "0", std::to_string(pipe.out.get()), name},  // the end to read from
            {group, "0", std::to_string(file.get()), os::device_and_inode(file.get())},
            {group, "1", std::to_string(in), name},
            {group, "00", std::to_string(in), name},
            {group + "x", "0", std::to_string(in), name}};
        for (const char* wrong : {"x", "-1", "0", "2", "999", "12x", "99999999999999", ""}) {
            cases.push_back({group, "0", wrong, name});
        }
        for (const Case& tried : cases) {
            given(tried.group, tried.index, -1, tried.pipe);
            ::setenv("SHMIPC_READY_FD", tried.fd.c_str(), 1);
            Worker worker = Worker::attach(guard.config, kFirst);
            worker.ready();
            if (has_word(pipe.out) || has_word(strange.out) || ::fcntl(in, F_GETFD) != FD_CLOEXEC ||
                ::fcntl(file.get(), F_GETFD) == -1) {
                throw std::runtime_error(tried.group + " " + tried.index + " " + tried.fd + " " +
                                         tried.pipe);
            }
        }
        return 0;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a worker whose supervisor does not listen any more survives to be ready") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        std::signal(SIGPIPE, SIG_DFL);
        Pipe pipe = make_pipe();
        given(guard.config.name, "0", pipe.in.get(), os::device_and_inode(pipe.in.get()));
        Worker worker = Worker::attach(guard.config, kFirst);
        static_cast<void>(pipe.in.release());
        pipe.out.reset();
        worker.ready();
        return 0;
    });
    const Child::End end = child.wait();
    CHECK(end.status == 0);
    CHECK(end.signal == 0);
}
