#include "keeper/oom_watch.hpp"

#include "scratch.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace shmipc::supervisor;
using shmipc::test::Scratch;

namespace {

/// A counter file in the hands of the test.
struct Counter {
    Scratch scratch;
    std::string path = scratch.path() + "/memory.events";

    Counter() { set(7); }
    void set(int kills) const {
        std::ofstream(path) << "low 0\nhigh 0\nmax 12\noom 3\noom_kill " << kills
                            << "\noom_group_kill 0\n";
    }
};

}  // namespace

TEST_CASE("the kernel's count is the line of that name alone") {
    CHECK(parse_oom_kills("oom 3\noom_kill 5\noom_group_kill 9\n") == 5);
    CHECK(parse_oom_kills("oom_kill 5") == 5);
    CHECK_FALSE(parse_oom_kills("oom 3\nxoom_kill 5\noom_group_kill 9\n"));
    CHECK_FALSE(parse_oom_kills("oom_kill many\n"));
    CHECK_FALSE(parse_oom_kills(""));
}

TEST_CASE("without a control group of its own the machine's counter is used") {
    CHECK(oom_counter_file("") == "/proc/vmstat");
    CHECK(oom_counter_file("5:memory:/x\n") == "/proc/vmstat");
    CHECK(oom_counter_file("0::/no/such/group/of/this/test\n") == "/proc/vmstat");
}

TEST_CASE("a kill that the kernel counted explains one death, and those before the start none") {
    const Counter counter;
    OomWatch watch(counter.path);
    CHECK_FALSE(watch.claim());
    counter.set(8);
    CHECK(watch.claim());
    CHECK_FALSE(watch.claim());
    counter.set(10);
    CHECK(watch.claim());
    CHECK(watch.claim());
    CHECK_FALSE(watch.claim());
}

TEST_CASE("a kill that nobody has claimed for ten looks was not of our workers") {
    const Counter counter;
    OomWatch watch(counter.path);
    counter.set(8);
    for (int i = 0; i < 10; ++i) {
        watch.look();
    }
    CHECK(watch.claim());  // a death may be known that much later
    counter.set(9);
    for (int i = 0; i < 11; ++i) {
        watch.look();
    }
    CHECK_FALSE(watch.claim());
}

TEST_CASE("a file that cannot be read explains nothing") {
    OomWatch watch("/nonexistent/memory.events");
    watch.look();
    CHECK_FALSE(watch.claim());
}
