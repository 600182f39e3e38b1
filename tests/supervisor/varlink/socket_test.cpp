#include "base/unix_address.hpp"
#include "fixture.hpp"
#include "varlink/listening_socket.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace shmipc::varlink;
using namespace std::chrono_literals;

namespace {

std::string refusal_to_listen(const std::string& path) {
    try {
        const ListeningSocket socket(path, 0600);
        return "none";
    } catch (const Error& error) {
        CHECK(error.errc() == Errc::kSystem);
        return error.text();
    }
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

void bind_only(const std::string& path) {
    const os::Fd socket = unconnected();
    const auto address = os::to_address(path).value();
    REQUIRE(::bind(socket.get(), os::generic(address), sizeof(address)) == 0);
}

/// Takes all descriptors that this process may have, until it ends.
class NoDescriptors {
  public:
    NoDescriptors() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        rlimit few = before_;
        few.rlim_cur = 256;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
        for (;;) {
            os::Fd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            if (!one) {
                break;
            }
            taken_.push_back(std::move(one));
        }
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    rlimit before_{};
    std::vector<os::Fd> taken_;
};

}  // namespace

TEST_CASE("the socket has its mode whatever the umask is, and goes with its owner") {
    const Scratch directory;
    const std::string path = directory.path() + "/socket";
    for (const mode_t mode : {0600U, 0660U, 0666U}) {
        for (const mode_t mask : {0000U, 0022U, 0777U}) {
            const mode_t before = ::umask(mask);
            {
                const ListeningSocket socket(path, mode);
                struct stat status {};
                REQUIRE(::lstat(path.c_str(), &status) == 0);
                CHECK((status.st_mode & 07777U) == mode);
                CHECK((::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
                CHECK((::fcntl(socket.get(), F_GETFL) & O_NONBLOCK) != 0);
            }
            CHECK(::umask(before) == mask);
            CHECK_FALSE(exists(path));
        }
    }
}

TEST_CASE("only a socket that nobody listens on is replaced") {
    const Scratch directory;
    const std::string path = directory.path() + "/socket";
    SUBCASE("left over") {
        bind_only(path);
        REQUIRE(exists(path));
        const ListeningSocket socket(path, 0600);
        const RawClient client(path);
    }
    SUBCASE("somebody listens") {
        const ListeningSocket socket(path, 0600);
        CHECK(refusal_to_listen(path).find(path + ": another process listens there") !=
              std::string::npos);
        const RawClient client(path);
    }
    SUBCASE("somebody listens, and is busy") {
        const os::Fd busy = unconnected();
        const auto address = os::to_address(path).value();
        REQUIRE(::bind(busy.get(), os::generic(address), sizeof(address)) == 0);
        REQUIRE(::listen(busy.get(), 0) == 0);
        const RawClient client(path);
        CHECK(refusal_to_listen(path).find(path + ": another process listens there") !=
              std::string::npos);
    }
    SUBCASE("no socket") {
        std::ofstream(path) << "precious";
        CHECK(refusal_to_listen(path).find(path + ": something that is no socket") !=
              std::string::npos);
        CHECK(std::filesystem::file_size(path) == 8);
    }
    SUBCASE("a link to a socket") {
        bind_only(directory.path() + "/other");
        std::filesystem::create_symlink(directory.path() + "/other", path);
        CHECK(refusal_to_listen(path).find(path + ": something that is no socket") !=
              std::string::npos);
    }
}

TEST_CASE("a path that cannot be is refused with a text that names it") {
    const Scratch directory;
    const std::string fits = directory.path() + "/" +
                             std::string(os::kLongestSocketPath - directory.path().size() - 1, 'x');
    {
        const ListeningSocket socket(fits, 0600);
        const RawClient client(fits);
    }
    const std::string refusal = refusal_to_listen(fits + "x");
    CHECK(refusal.find(fits + "x") != std::string::npos);
    CHECK(refusal.find("has 108 bytes") != std::string::npos);
    CHECK(refusal.find("107") != std::string::npos);
    CHECK(refusal_to_listen("").find("0 bytes") != std::string::npos);
    const std::string missing = directory.path() + "/missing/socket";
    CHECK(refusal_to_listen(missing).find(missing) != std::string::npos);
}

TEST_CASE("a socket that is not ours any more stays") {
    const Scratch directory;
    const std::string path = directory.path() + "/socket";
    auto first = std::make_unique<ListeningSocket>(path, 0600);
    REQUIRE(::unlink(path.c_str()) == 0);
    const ListeningSocket second(path, 0600);
    first.reset();
    const RawClient client(path);
}

TEST_CASE("a server whose socket was removed or replaced listens anew; its connections go on") {
    TestService service;
    GoodClient good(service);
    REQUIRE(good.served());
    CHECK(service.has_its_name());
    for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        REQUIRE(::unlink(service.path().c_str()) == 0);
        if (round == 1) {
            bind_only(service.path());
        }
        CHECK_FALSE(service.has_its_name());
        service.listen_anew();
        CHECK(service.has_its_name());
        CHECK(good.served());
        GoodClient fresh(service);
        CHECK(fresh.served());
    }
    REQUIRE(::unlink(service.path().c_str()) == 0);
    REQUIRE(service.wait_for_counts(
        [](const varlink::Server::Counts& counts) { return counts.clients == 1; }));
    const std::size_t before = open_descriptors();
    {
        const ListeningSocket other(service.path(), 0600);
        CHECK_THROWS_AS(service.listen_anew(), Error);
        CHECK_FALSE(service.has_its_name());
        CHECK(good.served());
        const RawClient client(service.path());  // which the other has
    }
    CHECK(open_descriptors() == before);
    service.listen_anew();
    GoodClient last(service);
    CHECK(last.served());
}

TEST_CASE("ten thousand connections leave nothing behind") {
    TestService service;
    GoodClient good(service);
    REQUIRE(good.served());
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 10'000; ++i) {
        Client client = Client::connect(service.path());
        if (i % 10 == 0) {  // the others come and go
            REQUIRE(client.call("io.test.Echo", {{"i", i}}).at("i") == i);
        } else if (i % 64 == 1) {
            REQUIRE(good.served());  // and lets the server keep up: 64 are the most
        }
    }
    // The last of them may not have been accepted yet.
    CHECK(service.wait_for_counts([](const varlink::Server::Counts& counts) {
        return counts.connections == 10'001 && counts.clients == 1;
    }));
    CHECK(service.counts().dropped == 0);
    CHECK(open_descriptors() == before);
    CHECK(good.served());
}

TEST_CASE("no descriptor of a server or a client goes to other programs") {
    TestService service;
    GoodClient good(service);
    REQUIRE(good.served());
    int sockets = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::stoi(entry.path().filename().string());
        struct stat status {};
        if (::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) && fd > STDERR_FILENO) {
            CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            ++sockets;
        }
    }
    CHECK(sockets >= 3);
}

// GCC's UndefinedBehaviourSanitizer looks at an object through a pipe of its own before it calls
// it, and takes the object for broken when it gets no descriptors for that.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kNeedsDescriptors = true;
#else
constexpr bool kNeedsDescriptors = false;
#endif

TEST_CASE(
    "without descriptors nobody is accepted, once reported, and clients wait for better days" *
    doctest::skip(kNeedsDescriptors)) {
    TestService service;
    GoodClient good(service);
    REQUIRE(good.served());
    os::Fd first = unconnected();
    os::Fd second = unconnected();
    {
        const NoDescriptors none;
        connect(first, service.path());
        connect(second, service.path());
        REQUIRE(service.wait_for("report no client can be accepted: Too many open files"));
        CHECK(good.served());
        // The loop turns for what is asked of it, and for a new try a second.
        const std::uint64_t turns = service.turns();
        constexpr int kAsked = 200;
        for (int i = 0; i < kAsked; ++i) {
            service.on_loop([] {});
        }
        CHECK(service.turns() - turns <= kAsked + 20);
        CHECK_FALSE(service.wait_for("report", 2, 2500ms));  // two tries at the least
        CHECK(service.told("report") == 1);
    }
    for (os::Fd* socket : {&first, &second}) {
        RawClient raw(std::move(*socket));
        REQUIRE(raw.send(call_text("Echo")));
        CHECK(raw.read() == R"({"parameters":{}})");
    }
    CHECK(service.told("report") == 1);
}
