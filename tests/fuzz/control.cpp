// Fuzz target: the control socket with any bytes from a client. The client may be answered with
// errors and dropped; the next one is served.
//
// The service is the supervisor's own, of a group whose workers are not started: it takes no
// orders, and answers everything else.
#include "control/control.hpp"

#include "arena.hpp"
#include "base/log.hpp"
#include "base/os.hpp"
#include "config/config.hpp"
#include "daemon/operator_stops.hpp"
#include "daemon/reloader.hpp"
#include "daemon/supervisor.hpp"
#include "keeper/launch.hpp"
#include <shmipc/group.hpp>

#include <boost/asio/io_context.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

using namespace shmipc;
using namespace shmipc::supervisor;

Config config_of(const GroupConfig& group) {
    Config config;
    config.group = group;
    return config;
}

class Service {
  public:
    Service()
        : path_("/tmp/" + arena_.config().name + ".socket"),
          group_(Group::open(arena_.config().name)),
          stops_("/tmp/" + arena_.config().name + ".stopped", arena_.config().workers),
          supervisor_({.io = io_, .group = group_, .context = context_, .stops = stops_},
                      config_of(arena_.config())),
          reloader_(io_, supervisor_,
                    {.load = [this] { return config_of(arena_.config()); },
                     .prepare = [](const Config&) { return std::vector<std::string>{}; }}),
          control_({.io = io_,
                    .supervisor = supervisor_,
                    .reloader = reloader_,
                    .metrics = [] { return std::string("shmipc_up 1\n"); }},
                   path_) {
        log::init({.level = log::Level::kError});
    }
    ~Service() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// What a client sends is taken, and answered, as far as it can be without waiting.
    void serve(const std::uint8_t* data, std::size_t size) {
        const os::Fd client = connect();
        std::size_t sent = 0;
        for (int round = 0; round < 100; ++round) {
            const ssize_t count =
                send(client.get(), data + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += count > 0 ? static_cast<std::size_t>(count) : 0;
            if (sent == size) {
                shutdown(client.get(), SHUT_WR);
            }
            const bool idle = io_.poll() == 0;
            std::array<char, 65536> answer{};
            const ssize_t got = recv(client.get(), answer.data(), answer.size(), MSG_DONTWAIT);
            if (got == 0 || (got < 0 && idle && sent == size)) {
                break;
            }
        }
    }
    /// A client that keeps to the protocol has its answer.
    void expect_serves() {
        const os::Fd client = connect();
        const std::string call = R"({"method":"org.varlink.service.GetInfo"})";
        os::require("cannot call", [&] {
            return send(client.get(), call.c_str(), call.size() + 1, MSG_NOSIGNAL);
        });
        std::array<char, 4096> answer{};
        for (int round = 0; round < 1000; ++round) {
            io_.poll();
            if (recv(client.get(), answer.data(), answer.size(), MSG_DONTWAIT) > 0) {
                return;
            }
        }
        std::abort();  // somebody before it has spoilt the service
    }

  private:
    [[nodiscard]] os::Fd connect() const {
        os::Fd client(os::require("cannot make a socket",
                                  [] { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        os::require("cannot connect", [&] {
            return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address),
                             sizeof address);
        });
        return client;
    }

    fuzz::Arena arena_{2};
    std::string path_;
    boost::asio::io_context io_{1};
    Group group_;
    LaunchContext context_;
    OperatorStops stops_;
    Supervisor supervisor_;
    Reloader reloader_;
    Control control_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Service service;
    service.serve(data, size);
    service.expect_serves();
    return 0;
}
