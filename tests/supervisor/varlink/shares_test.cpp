// Places are shared out by user.
#include "varlink/shares.hpp"

#include "fixture.hpp"
#include "varlink/error_names.hpp"

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <string>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace shmipc::varlink;

namespace {

constexpr uid_t kOwner = 500;
constexpr uid_t kUnusedUid = 64'123;
using Refusal = Shares::Refusal;

/// How a call of another user ends: the error's name, "" for none. −1 is not distinguished.
class OtherUser {
  public:
    /// Opens `count` connections to `path` and keeps them; each has made a call.
    OtherUser(const std::string& path, uid_t uid, int count) {
        int told[2];
        int end[2];
        REQUIRE(::pipe(told) == 0);
        REQUIRE(::pipe(end) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::close(end[1]);
            char served = 0;
            if (::setgid(uid) == 0 && ::setuid(uid) == 0) {
                std::vector<RawClient> clients;
                for (int i = 0; i < count; ++i) {
                    clients.emplace_back(path);
                    const bool sent = clients.back().send(call_text("Echo"));
                    const auto answer = clients.back().read();
                    served = static_cast<char>(served +
                                               (sent && answer == R"({"parameters":{}})" ? 1 : 0));
                }
                static_cast<void>(::write(told[1], &served, 1) == 1);
                static_cast<void>(::read(end[0], &served, 1) == 0);  // until we are not needed
            }
            ::_exit(0);
        }
        ::close(told[1]);
        ::close(end[0]);
        end_ = os::Fd(end[1]);
        char served = 0;
        REQUIRE(::read(told[0], &served, 1) == 1);
        ::close(told[0]);
        served_ = static_cast<unsigned char>(served);
    }
    ~OtherUser() {
        end_.reset();
        ::waitpid(pid_, nullptr, 0);
    }
    OtherUser(const OtherUser&) = delete;
    OtherUser& operator=(const OtherUser&) = delete;

    [[nodiscard]] int served() const noexcept { return served_; }

  private:
    pid_t pid_ = -1;
    os::Fd end_;
    int served_ = 0;
};

}  // namespace

TEST_CASE("a user has a share; root and the owner have places that nobody else can take") {
    Shares shares(5, 2, kOwner);
    CHECK(shares.limit_of(0) == 5);
    CHECK(shares.limit_of(kOwner) == 5);
    CHECK(shares.limit_of(1000) == 2);
    CHECK_FALSE(shares.enter(1000));
    CHECK_FALSE(shares.enter(1000));
    CHECK(shares.enter(1000) == Refusal::kUser);
    CHECK_FALSE(shares.enter(1001));
    CHECK_FALSE(shares.enter(1001));
    CHECK_FALSE(shares.enter(1002));
    CHECK(shares.enter(1002) == Refusal::kEverybody);
    CHECK(shares.enter(1003) == Refusal::kEverybody);
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(shares.enter(0));
        CHECK_FALSE(shares.enter(kOwner));
    }
    CHECK(shares.enter(0) == Refusal::kUser);
    CHECK(shares.enter(kOwner) == Refusal::kUser);
    shares.leave(1001);
    CHECK(shares.enter(1000) == Refusal::kUser);
    CHECK_FALSE(shares.enter(1003));
    CHECK(shares.enter(1003) == Refusal::kEverybody);
    shares.leave(0);
    CHECK(shares.enter(1003) == Refusal::kEverybody);
    CHECK_FALSE(shares.enter(0));
}

TEST_CASE("places that were left can all be taken again") {
    Shares shares(4, 2, 0);
    for (int round = 0; round < 100; ++round) {
        for (const uid_t uid : {0U, 1U, 1U, 2U, 2U}) {
            REQUIRE_FALSE(shares.enter(uid));
        }
        REQUIRE(shares.enter(3) == Refusal::kEverybody);
        for (const uid_t uid : {2U, 1U, 0U, 1U, 2U}) {
            shares.leave(uid);
        }
    }
}

TEST_CASE("a member that takes all that it gets keeps neither the owner nor another user out") {
    if (::geteuid() != 0) {
        MESSAGE("only root can be several users");
        return;
    }
    TestService service({.clients = 8, .clients_per_user = 3});
    REQUIRE(::chmod(service.path().c_str(), 0666) == 0);
    REQUIRE(::chmod(service.path().substr(0, service.path().rfind('/')).c_str(), 0711) == 0);
    const OtherUser greedy(service.path(), kUnusedUid, 100);
    CHECK(greedy.served() == 3);
    CHECK(service.counts().turned_away == 97);
    CHECK(service.told("report there are 3 clients of uid 64123") == 97);
    GoodClient owner(service);
    CHECK(owner.served());
    const OtherUser other(service.path(), kUnusedUid + 1, 1);
    CHECK(other.served() == 1);
}
