// Who may do what on the control socket.
#include "control/access.hpp"

#include "base/os.hpp"
#include <shmipc/error.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using varlink::Rights;

TEST_CASE("root, the owner and the socket's group give orders; observers look; others do nothing") {
    const AccessRule rule{.owner = 500, .group = 600, .observers = 700};
    CHECK(rights_of(0, {0}, rule) == Rights::kOrder);
    CHECK(rights_of(500, {1}, rule) == Rights::kOrder);
    CHECK(rights_of(1000, {1000, 600}, rule) == Rights::kOrder);
    CHECK(rights_of(1000, {1000, 700, 600}, rule) == Rights::kOrder);
    CHECK(rights_of(1000, {1000, 700}, rule) == Rights::kLook);
    CHECK(rights_of(1000, {1000, 500}, rule) == Rights::kNone);
    CHECK(rights_of(600, {}, rule) == Rights::kNone);
    CHECK(rights_of(static_cast<uid_t>(-1), {}, rule) == Rights::kNone);
}

TEST_CASE("the groups of a peer are all that it has, however many") {
    const auto groups_of_own_socket = [] {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        const os::Fd first(ends[0]);
        const os::Fd second(ends[1]);
        return groups_of_peer(first.get(), 4711);
    };
    std::vector<gid_t> own(static_cast<std::size_t>(::getgroups(0, nullptr)));
    REQUIRE(::getgroups(static_cast<int>(own.size()), own.data()) >= 0);
    std::vector<gid_t> expected = own;
    expected.push_back(4711);
    CHECK(groups_of_own_socket() == expected);
    if (::geteuid() != 0) {
        MESSAGE("only root can have more groups");
        return;
    }
    std::vector<gid_t> many;
    for (gid_t gid = 0; gid < 1000; ++gid) {
        many.push_back(50'000 + gid);
    }
    REQUIRE(::setgroups(many.size(), many.data()) == 0);
    const auto found = groups_of_own_socket();
    REQUIRE(::setgroups(own.size(), own.data()) == 0);
    many.push_back(4711);
    CHECK(found == many);
}

TEST_CASE("a group that does not exist is refused with its remedy") {
    CHECK(observers_group("root") == 0);
    try {
        observers_group("no-such-group");
        FAIL("was found");
    } catch (const Error& error) {
        CHECK(error.text().find("groupadd no-such-group") != std::string::npos);
    }
}
