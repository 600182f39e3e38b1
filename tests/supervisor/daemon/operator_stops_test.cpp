#include "daemon/operator_stops.hpp"

#include "scratch.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using shmipc::test::Scratch;

namespace {

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

}  // namespace

TEST_CASE("stops last over the death of who set them, and a start ends them") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/g.stopped";
    {
        OperatorStops stops(path, 8);
        CHECK_FALSE(stops.contains(WorkerIndex{2}));
        stops.set(WorkerIndex{2}, true);
        stops.set(WorkerIndex{5}, true);
        stops.set(WorkerIndex{5}, true);
    }
    CHECK(text_of(path) == "2\n5\n");
    {
        OperatorStops stops(path, 8);
        CHECK(stops.contains(WorkerIndex{2}));
        CHECK(stops.contains(WorkerIndex{5}));
        CHECK_FALSE(stops.contains(WorkerIndex{0}));
        stops.set(WorkerIndex{2}, false);
        CHECK(text_of(path) == "5\n");
        stops.set(WorkerIndex{5}, false);
    }
    CHECK_FALSE(exists(path));
}

TEST_CASE("an orderly end forgets all stops") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/g.stopped";
    OperatorStops stops(path, 8);
    stops.set(WorkerIndex{1}, true);
    REQUIRE(exists(path));
    stops.forget();
    CHECK_FALSE(exists(path));
    CHECK_FALSE(stops.contains(WorkerIndex{1}));
}

TEST_CASE("lines that name no worker of the group are ignored, the others hold") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/g.stopped";
    std::ofstream(path) << "rubbish\n1\n\n-1\n99\n" << std::string(100'000, 'x') << "\n3\n2";
    const OperatorStops stops(path, 4);
    CHECK_FALSE(stops.contains(WorkerIndex{0}));
    CHECK(stops.contains(WorkerIndex{1}));
    CHECK(stops.contains(WorkerIndex{2}));
    CHECK(stops.contains(WorkerIndex{3}));
}

TEST_CASE("whatever stands in the place of the list holds nobody up, and gives way to it") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/g.stopped";
    const std::string elsewhere = scratch.path() + "/elsewhere";
    std::ofstream(elsewhere) << "1\n";
    const std::vector<std::function<void(const std::string&)>> kinds{
        [](const std::string& name) { REQUIRE(::mkfifo(name.c_str(), 0600) == 0); },
        [](const std::string& name) { REQUIRE(::symlink("/dev/zero", name.c_str()) == 0); },
        [](const std::string& name) { REQUIRE(::symlink("elsewhere", name.c_str()) == 0); },
        [](const std::string& name) { REQUIRE(::symlink("nowhere", name.c_str()) == 0); },
        [](const std::string& name) {
            std::ofstream(name).flush();
            REQUIRE(::truncate(name.c_str(), off_t{1} << 40U) == 0);
        },
    };
    for (const auto& make : kinds) {
        make(path);
        make(path + ".new");
        OperatorStops stops(path, 4);
        CHECK(stops.empty());
        stops.set(WorkerIndex{2}, true);
        CHECK(text_of(path) == "2\n");
        CHECK_FALSE(exists(path + ".new"));
        stops.forget();
    }
    CHECK(text_of(elsewhere) == "1\n");
    // A directory stays, and the stop holds until the end.
    for (const std::string& name : {path, path + ".new"}) {
        REQUIRE(::mkdir(name.c_str(), 0700) == 0);
        OperatorStops stops(path, 4);
        stops.set(WorkerIndex{2}, true);
        CHECK(stops.contains(WorkerIndex{2}));
        CHECK(::rmdir(name.c_str()) == 0);
    }
}

TEST_CASE("what cannot be written holds all the same until the end") {
    OperatorStops stops("/nonexistent/directory/g.stopped", 4);
    stops.set(WorkerIndex{1}, true);
    CHECK(stops.contains(WorkerIndex{1}));
    stops.forget();
    CHECK_FALSE(stops.contains(WorkerIndex{1}));
}
