#include "daemon/service_manager.hpp"

#include "base/os.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

/// The other end of NOTIFY_SOCKET.
class Manager {
  public:
    explicit Manager(const std::string& name)
        : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(name.size() < sizeof(address.sun_path));
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name.front() == '@') {
            address.sun_path[0] = '\0';
        }
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    }

    std::vector<std::string> heard() {
        std::vector<std::string> messages;
        std::array<char, 4096> text{};
        ssize_t length = 0;
        while ((length = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT)) >= 0) {
            messages.emplace_back(text.data(), static_cast<std::size_t>(length));
        }
        return messages;
    }

  private:
    os::Fd fd_;
};

using Messages = std::vector<std::string>;

}  // namespace

TEST_CASE("the service manager hears of readiness, status, reload, stop and passes") {
    const test::Scratch scratch;
    const std::string path = scratch.path() + "/notify";
    Manager manager(path);
    ServiceManager service(path, 10s);
    service.status("starting");
    service.status("starting");
    CHECK(manager.heard() == Messages{"STATUS=starting"});
    service.ready();
    service.pass();
    CHECK(manager.heard() == Messages{"READY=1", "WATCHDOG=1"});
    service.reloading();
    const Messages reloading = manager.heard();
    REQUIRE(reloading.size() == 1);
    const std::string start = "RELOADING=1\nMONOTONIC_USEC=";
    REQUIRE(reloading[0].starts_with(start));
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const long long told = std::stoll(reloading[0].substr(start.size()));
    CHECK(told <= now.tv_sec * 1'000'000LL + now.tv_nsec / 1000);
    CHECK(told > (now.tv_sec - 60) * 1'000'000LL);
    service.extend(1500ms);
    service.stopping();
    service.status("one\nREADY=1");
    CHECK(manager.heard() ==
          Messages{"EXTEND_TIMEOUT_USEC=1500000", "STOPPING=1", "STATUS=one READY=1"});
}

TEST_CASE("without a watchdog a pass pings nobody; without a manager nothing happens") {
    const test::Scratch scratch;
    const std::string path = scratch.path() + "/notify";
    Manager manager(path);
    ServiceManager service(path, std::nullopt);
    service.pass();
    CHECK(manager.heard().empty());
    for (const std::string& nowhere :
         {std::string(), std::string("relative"), path + "-gone", "/" + std::string(200, 'x')}) {
        ServiceManager alone(nowhere, 1s);
        for (int i = 0; i < 1000; ++i) {  // kept for nobody: bounded
            alone.ready();
        }
        alone.status("x");
        alone.pass();
    }
}

TEST_CASE("an abstract name is one too") {
    const std::string name = "@shmipc-test-" + std::to_string(::getpid());
    Manager manager(name);
    ServiceManager service(name, std::nullopt);
    service.ready();
    CHECK(manager.heard() == Messages{"READY=1"});
}

TEST_CASE("a manager that does not read is not waited for, and hears what counts afterwards") {
    const test::Scratch scratch;
    const std::string path = scratch.path() + "/notify";
    Manager manager(path);
    ServiceManager service(path, 10s);
    for (int i = 0; i < 5000; ++i) {  // more than any queue holds
        service.pass();
    }
    service.reloading();
    service.ready();
    service.status("the last");
    for (const std::string& ping : manager.heard()) {
        REQUIRE(ping == "WATCHDOG=1");
    }
    service.pass();
    const Messages later = manager.heard();
    REQUIRE(later.size() == 4);
    CHECK(later[0].starts_with("RELOADING=1\n"));
    CHECK(later[1] == "READY=1");
    CHECK(later[2] == "STATUS=the last");
    CHECK(later[3] == "WATCHDOG=1");
}

TEST_CASE(
    "the environment tells socket and watchdog, and whether they are meant for this process") {
    const test::Scratch scratch;
    const std::string path = scratch.path() + "/notify";
    Manager manager(path);
    const auto watchdog = [&](const char* time, const std::string& pid) {
        ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
        ::setenv("WATCHDOG_USEC", time, 1);
        ::setenv("WATCHDOG_PID", pid.c_str(), 1);
        ServiceManager service = ServiceManager::from_environment();
        service.ready();
        ::unsetenv("NOTIFY_SOCKET");
        ::unsetenv("WATCHDOG_USEC");
        ::unsetenv("WATCHDOG_PID");
        return service.watchdog();
    };
    CHECK(watchdog("2500000", std::to_string(::getpid())) == 2500ms);
    CHECK(watchdog("2500000", "") == 2500ms);
    CHECK_FALSE(watchdog("2500000", "1").has_value());
    CHECK_FALSE(watchdog("0", "").has_value());
    CHECK_FALSE(watchdog("soon", "").has_value());
    CHECK(manager.heard() == Messages(5, "READY=1"));
}
