#include "daemon/group_fit.hpp"

#include "base/os.hpp"
#include "process.hpp"
#include <shmipc/group.hpp>
#include <shmipc/layout.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using shmipc::test::TestGroup;

namespace {

Config config_of(const std::string& group) {
    Config config;
    config.group.name = group;
    config.persist = true;
    return config;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string path_of(const std::string& group) {
    return "/dev/shm/" + object_name(group, WorkerIndex{0});
}

}  // namespace

TEST_CASE("what the configuration changes of a group that persists is told, with the remedy") {
    const TestGroup group;
    Config config = config_of(group.name());
    CHECK(misfit_of_objects(config).empty());  // there are none
    const Group made = Group::create_or_open(config.group);
    CHECK(misfit_of_objects(config).empty());
    Config more = config;
    more.group.workers = 4;
    const std::string told = misfit_of_objects(more);
    CHECK(contains(told, "they have workers = 3, and the configuration says 4"));
    CHECK(contains(told, "shmipcctl --group " + group.name() + " clean"));
    CHECK(contains(told, "systemctl stop shmipc@" + group.name()));
    Config longer = config;
    longer.group.capacity = 128;
    CHECK(contains(misfit_of_objects(longer), "they have capacity = 64, and"));
    Config slots = config;
    slots.group.slots = 9;
    CHECK(contains(misfit_of_objects(slots), "and the configuration says 9"));
    // The same number, said otherwise.
    slots.group.slots = config.group.geometry().slots;
    CHECK(misfit_of_objects(slots).empty());
    // Objects that do not fit are removed then.
    more.persist = false;
    CHECK(misfit_of_objects(more).empty());
}

TEST_CASE("objects of another version are told, anything else that has their name is nothing") {
    const TestGroup group;
    Config config = config_of(group.name());
    {
        const Group made = Group::create_or_open(config.group);
        const os::Fd object(::open(path_of(group.name()).c_str(), O_RDWR | O_CLOEXEC));
        REQUIRE(object);
        const std::uint32_t other = layout::kLayoutVersion + 1;
        REQUIRE(::pwrite(object.get(), &other, sizeof(other),
                         offsetof(layout::Header, layout_version)) == sizeof(other));
    }
    CHECK(contains(misfit_of_objects(config), "another version of shmipc"));
    REQUIRE(Group::remove(group.name()));
    config.group.workers = 4;
    const std::string path = path_of(group.name());
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(misfit_of_objects(config).empty());
    ::unlink(path.c_str());
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    CHECK(misfit_of_objects(config).empty());
    ::rmdir(path.c_str());
    REQUIRE(::symlink("/dev/zero", path.c_str()) == 0);
    CHECK(misfit_of_objects(config).empty());
    ::unlink(path.c_str());
    std::ofstream(path) << "short";
    CHECK(misfit_of_objects(config).empty());
    std::ofstream(path) << std::string(4096, 'x');
    CHECK(misfit_of_objects(config).empty());
    ::unlink(path.c_str());
}
