// What a supervisor hands to its workers.
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "child.hpp"
#include "group_guard.hpp"

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

constexpr WorkerIndex kFirst{0};

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
        std::array<int, 2> pipe{};
        if (::pipe(pipe.data()) != 0) {
            return 1;
        }
        ::setenv("SHMIPC_READY_FD", std::to_string(pipe[1]).c_str(), 1);
        Worker worker = Worker::attach(guard.config, kFirst);
        if (std::getenv("SHMIPC_READY_FD") != nullptr ||
            (::fcntl(pipe[1], F_GETFD) & FD_CLOEXEC) == 0) {
            return 2;
        }
        worker.ready();
        worker.ready();
        std::array<char, 8> text{};
        // One line, then the end: the descriptor is closed.
        return ::read(pipe[0], text.data(), text.size()) == 1 && text[0] == '\n' &&
                       ::read(pipe[0], text.data(), text.size()) == 0
                   ? 0
                   : 3;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    for (const char* wrong : {"x", "-1", "0", "2", "999", "12x", "99999999999999", ""}) {
        ::setenv("SHMIPC_READY_FD", wrong, 1);
        Worker worker = Worker::attach(guard.config, kFirst);
        worker.ready();
        CHECK(worker.verify() == Errc::kOk);
    }
}
