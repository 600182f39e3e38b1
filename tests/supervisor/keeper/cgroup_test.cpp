#include "keeper/cgroup.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace shmipc;
using namespace shmipc::supervisor;

TEST_CASE("the group of version 2 is found among the others, if it is to be used") {
    CHECK(unified_group("0::/system.slice/shmipc.service\n") == "/system.slice/shmipc.service");
    CHECK(unified_group("12:memory:/a\n0::/b\n") == "/b");
    CHECK(unified_group("10:name=systemd:/\n0::/") == "/");
    CHECK_FALSE(unified_group(""));
    CHECK_FALSE(unified_group("12:memory:/a\n"));
    CHECK_FALSE(unified_group("10::/a\n"));
    CHECK_FALSE(unified_group("0::\n"));
    CHECK_FALSE(unified_group("0::/../outside\n"));
    CHECK_FALSE(unified_group("0::/gone (deleted)\n"));
}

TEST_CASE("a group's events tell whether somebody lives in it") {
    CHECK(says_populated("populated 1\nfrozen 0\n"));
    CHECK(says_populated("frozen 0\npopulated 1\n"));
    CHECK_FALSE(says_populated("populated 0\nfrozen 1\n"));
    CHECK_FALSE(says_populated(""));
    CHECK_FALSE(says_populated("unpopulated 1\n"));
}

TEST_CASE("without a group of ours there is none for workers, and nothing happens") {
    const WorkerGroups none;
    CHECK_FALSE(none.present());
    CHECK_FALSE(none.make(WorkerIndex{0}));
    CHECK_FALSE(none.end(WorkerIndex{0}));
    none.remove(WorkerIndex{0});
}
