// Another user plays the supervisor to shmipcctl.
#include "ctl/trust.hpp"

#include "base/os.hpp"
#include "base/unix_address.hpp"
#include "ctl/failure.hpp"
#include "fixture.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::ctl;
using namespace shmipc::test;

namespace {

constexpr uid_t kMe = 1000;
constexpr uid_t kService = 500;
constexpr uid_t kStranger = 1001;
constexpr uid_t kUnusedUid = 64'123;

std::string verdict(const std::string& socket, uid_t directory, mode_t mode,
                    std::optional<uid_t> owner, uid_t me = kMe) {
    return why_not_trusted(
        socket,
        {.directory_owner = directory, .directory_mode = S_IFDIR | mode, .socket_owner = owner},
        me);
}

bool trusted(const std::string& socket, uid_t directory, mode_t mode, std::optional<uid_t> owner,
             uid_t me = kMe) {
    return verdict(socket, directory, mode, owner, me).empty();
}

/// A process of another user that listens at `path`, for as long as this lives.
class ForeignListener {
  public:
    ForeignListener(const std::string& path, uid_t uid) {
        int told[2];
        REQUIRE(::pipe(told) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            const auto address = os::to_address(path).value();
            const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
            const bool listens = ::bind(fd, os::generic(address), sizeof address) == 0 &&
                                 ::chmod(path.c_str(), 0777) == 0 && ::setuid(uid) == 0 &&
                                 ::listen(fd, 5) == 0 && ::write(told[1], "x", 1) == 1;
            if (listens) {
                ::pause();
            }
            ::_exit(1);
        }
        ::close(told[1]);
        char byte = 0;
        REQUIRE(::read(told[0], &byte, 1) == 1);
        ::close(told[0]);
    }
    ~ForeignListener() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ForeignListener(const ForeignListener&) = delete;
    ForeignListener& operator=(const ForeignListener&) = delete;

  private:
    pid_t pid_;
};

}  // namespace

TEST_CASE("the name of a user's directory tells whose it must be") {
    CHECK(owner_by_name("/tmp/shmipc-1000") == 1000);
    CHECK(owner_by_name("/tmp/shmipc-1000/") == 1000);
    CHECK(owner_by_name("/run/user/1000/shmipc") == 1000);
    for (const char* const other :
         {"/run/shmipc", "/tmp/shmipc-", "/tmp/shmipc-x", "/tmp/shmipc-1000/x", "/run/user/shmipc",
          "/srv/tmp/shmipc-1000", "/tmp/shmipc-99999999999", "", "/", "shmipc"}) {
        CAPTURE(other);
        CHECK_FALSE(owner_by_name(other));
    }
}

TEST_CASE("a supervisor's socket is trusted where only its user can have put it") {
    const std::string own = "/run/user/1000/shmipc/g.control";
    const std::string fallback = "/tmp/shmipc-1000/g.control";
    const std::string system = "/run/shmipc/g.control";
    CHECK(trusted(own, kMe, 0700, kMe));
    CHECK(trusted(fallback, kMe, 0700, kMe));
    CHECK(trusted(fallback, kMe, 0700, std::nullopt));
    CHECK(trusted(system, kService, 0750, kService));
    CHECK(trusted(system, 0, 0755, 0));
    CHECK(trusted(system, 0, 0755, kService));
    CHECK(trusted("/srv/g.control", kStranger, 0755, kStranger));  // named: it is what was meant
    CHECK(trusted("/tmp/g.control", 0, 01777, kMe));               // forwarded by ssh
    CHECK(trusted("/tmp/g.control", 0, 01777, 0));
    CHECK(trusted(fallback, kMe, 0700, kMe, 0));  // root looks after a user's

    CHECK_FALSE(trusted(fallback, kStranger, 0755, kStranger));
    CHECK_FALSE(trusted(fallback, kStranger, 0755, std::nullopt));
    CHECK_FALSE(trusted(fallback, kStranger, 0755, kMe));  // a link to another of his sockets
    CHECK_FALSE(trusted(fallback, kStranger, 0755, kStranger, 0));
    CHECK_FALSE(trusted(fallback, 0, 0755, 0));
    CHECK_FALSE(trusted(own, kMe, 0770, kMe));
    CHECK_FALSE(trusted(own, kMe, 0707, kMe));
    CHECK_FALSE(trusted(system, kService, 0750, kStranger));
    CHECK_FALSE(trusted("/srv/g.control", kStranger, 0755, kMe));
    CHECK_FALSE(trusted("/tmp/g.control", 0, 01777, kStranger));
    CHECK_FALSE(trusted("/tmp/g.control", 0, 0777, 0));

    CHECK(verdict(fallback, kStranger, 0755, kStranger).find("/tmp/shmipc-1000 belongs to user ") ==
          0);
}

TEST_CASE("a directory of another user gets no order and is not believed; the way out is named") {
    if (::geteuid() != 0) {
        MESSAGE("only root can play another user");
        return;
    }
    Demo demo;
    demo.service.answer("Kill", {});
    REQUIRE(demo.run({"status"}).exit_code == 0);
    REQUIRE(::chown(demo.directory.path().c_str(), kUnusedUid, static_cast<gid_t>(-1)) == 0);
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"status"},
                                               {"kill", "0"},
                                               {"stop", "1"},
                                               {"watch"},
                                               {"autopsy", "all"},
                                               {"console"},
                                               {"reload"},
                                               {"metrics"}}) {
        CAPTURE(command.front());
        const Run run = demo.run(command);
        CHECK(run.exit_code == 77);
        CHECK(contains(run.output, "shmipcctl: not talking to what is at " + demo.socket));
        CHECK(contains(run.output, "but its directory to user 64123"));
        CHECK(contains(run.output, "--runtime-dir"));
    }
    CHECK(contains(demo.run({"version"}).output, "supervisor unknown: not talking to"));
}

TEST_CASE("a process of another user behind a good name is not talked to") {
    if (::geteuid() != 0) {
        MESSAGE("only root can play another user");
        return;
    }
    const Place place;
    const ForeignListener listener(place.socket, kUnusedUid);
    const Run run = place.run({"status"});
    CHECK(run.exit_code == 77);
    CHECK(contains(run.output, "is run by user 64123"));
}
