#include "client.hpp"
#include "metrics/metrics_endpoint.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace shmipc::supervisor::test;

namespace {

/// Has a port of the loopback address, which nobody else gets meanwhile.
struct Occupant {
    os::Fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    std::uint16_t port = 0;

    Occupant() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof(address);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
        REQUIRE(::listen(socket.get(), 1) == 0);
        REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
        port = ntohs(address.sin_port);
    }
    [[nodiscard]] std::string at(const std::string& host = "127.0.0.1") const {
        return host + ":" + std::to_string(port);
    }
};

struct Fixture {
    boost::asio::io_context io{1};
    MetricsEndpoint endpoint{io, [] { return std::string("metric 1\n"); }, "demo", {5ms, 20ms}};

    bool run_until(const std::function<bool()>& done) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!done() && std::chrono::steady_clock::now() < deadline) {
            io.restart();
            io.run_one_for(50ms);
        }
        return done();
    }
};

}  // namespace

TEST_CASE("a port in use is told with the remedy, and listened at as soon as it is free") {
    Fixture fixture;
    std::optional<Occupant> occupant(std::in_place);
    const std::string address = occupant->at();
    const std::string wrong = fixture.endpoint.listen(address);
    CHECK(contains(wrong, "cannot listen for metrics at '" + address + "': bind: Address already"));
    CHECK(contains(wrong, "ss -ltnp"));
    CHECK(contains(wrong, "it is tried again until it works, and the group runs without"));
    CHECK(fixture.endpoint.serving().empty());
    // Some tries in vain.
    const auto later = std::chrono::steady_clock::now() + 100ms;
    fixture.run_until([&] { return std::chrono::steady_clock::now() > later; });
    CHECK(fixture.endpoint.serving().empty());
    occupant.reset();
    CHECK(fixture.run_until([&] { return fixture.endpoint.serving() == address; }));
    CHECK(fixture.endpoint.listen(address).empty());  // as it is
}

TEST_CASE("the old listener goes on until the new one listens") {
    Fixture fixture;
    std::string old;
    {
        const Occupant free;
        old = free.at();
    }
    REQUIRE(fixture.endpoint.listen(old).empty());
    std::optional<Occupant> occupant(std::in_place);
    const std::string wanted = occupant->at();
    CHECK(contains(fixture.endpoint.listen(wanted), "metrics are served at " + old + " meanwhile"));
    CHECK(fixture.endpoint.serving() == old);
    occupant.reset();
    CHECK(fixture.run_until([&] { return fixture.endpoint.serving() == wanted; }));
}

TEST_CASE("another address of the same port takes the place of the old one") {
    Fixture fixture;
    std::string old;
    std::string wide;
    {
        const Occupant free;
        old = free.at();
        wide = free.at("0.0.0.0");
    }
    REQUIRE(fixture.endpoint.listen(old).empty());
    CHECK(fixture.endpoint.listen(wide).empty());
    CHECK(fixture.endpoint.serving() == wide);
}

TEST_CASE("what is not wanted any more is not tried any more") {
    Fixture fixture;
    std::optional<Occupant> occupant(std::in_place);
    CHECK_FALSE(fixture.endpoint.listen(occupant->at()).empty());
    CHECK(fixture.endpoint.listen("").empty());
    occupant.reset();
    fixture.io.run_for(100ms);  // ends at once: nothing is left to do
    CHECK(fixture.endpoint.serving().empty());
}

TEST_CASE("an address that no interface has, and families that a unit forbids, name the drop-in") {
    Fixture fixture;
    const std::string wrong = fixture.endpoint.listen("192.0.2.1:9464");
    CHECK(contains(wrong, "PrivateNetwork=no"));
    for (const int error : {EAFNOSUPPORT, EADDRNOTAVAIL}) {
        const std::string remedy = listen_remedy(error, "demo");
        CHECK(contains(remedy, "systemctl edit shmipc@demo"));
        CHECK(contains(remedy, "RestrictAddressFamilies=AF_INET AF_INET6"));
        CHECK(contains(remedy, "shmipc-supervisor(8)"));
    }
    CHECK(contains(listen_remedy(EAFNOSUPPORT, "shmipc"), "systemctl edit shmipc)"));
    CHECK(contains(listen_remedy(EACCES, "demo"), "CAP_NET_BIND_SERVICE"));
    CHECK(listen_remedy(EMFILE, "demo").empty());
}
