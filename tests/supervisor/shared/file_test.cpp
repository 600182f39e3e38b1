#include "shared/file.hpp"

#include "base/unix_address.hpp"
#include "scratch.hpp"
#include <shmipc/error.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using shmipc::test::Scratch;

namespace {

constexpr auto kMost = std::size_t{64} * 1024;

std::string error_of(const std::function<void()>& call) {
    try {
        call();
        return {};
    } catch (const Error& error) {
        return error.text();
    }
}

std::string read_error(const std::string& path, Links links = Links::kFollow) {
    return error_of([&] { static_cast<void>(read_regular_file(path, kMost, links)); });
}

void make_socket(const std::string& path) {
    const os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = os::to_address(path);
    REQUIRE(address);
    REQUIRE(::bind(socket.get(), os::generic(*address), sizeof(*address)) == 0);
}

}  // namespace

TEST_CASE("a regular file is read as it is, also through a link and when it is empty") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/file";
    std::string text(20'000, 'x');
    text[1] = '\0';
    text[2] = '\n';
    std::ofstream(path) << text;
    CHECK(read_regular_file(path, kMost, Links::kRefuse) == text);
    const std::string link = scratch.path() + "/link";
    REQUIRE(::symlink("file", link.c_str()) == 0);
    CHECK(read_regular_file(link, kMost, Links::kFollow) == text);
    std::ofstream(path, std::ios::trunc).flush();
    CHECK(read_regular_file(path, kMost, Links::kFollow).empty());
    // Its size says that it is empty.
    CHECK_FALSE(read_regular_file("/proc/self/status", kMost, Links::kFollow).empty());
}

TEST_CASE("whatever is no regular file is named at once, and nobody waits for it") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/x";
    const std::string expected = ", expected a regular file";
    CHECK(read_error(scratch.path()) ==
          scratch.path() + ": cannot be read: it is a directory" + expected);
    CHECK(read_error("/dev/zero") == "/dev/zero: cannot be read: it is a device" + expected);
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(read_error(path) == path + ": cannot be read: it is a FIFO" + expected);
    ::unlink(path.c_str());
    make_socket(path);
    CHECK(read_error(path) == path + ": cannot be read: it is a socket" + expected);
    ::unlink(path.c_str());
    REQUIRE(::symlink("/dev/zero", path.c_str()) == 0);
    CHECK(read_error(path) == path + ": cannot be read: it is a device" + expected);
    CHECK(read_error(path, Links::kRefuse) ==
          path + ": cannot be read: it is a symbolic link" + expected);
}

TEST_CASE("what the system refuses is told in its words") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/x";
    CHECK(read_error(path) == path + ": cannot be read: No such file or directory");
    REQUIRE(::symlink("x", path.c_str()) == 0);
    CHECK(read_error(path) == path + ": cannot be read: Too many levels of symbolic links");
    CHECK(read_error(std::string(5000, 'a')).find("File name too long") != std::string::npos);
}

TEST_CASE("a file that is longer than it may be is refused, whether its size says so or not") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/file";
    const std::string too_large = path + ": cannot be read: it is larger than 64 KiB";
    std::ofstream(path) << std::string(kMost, 'x');
    CHECK(read_regular_file(path, kMost, Links::kFollow).size() == kMost);
    std::ofstream(path, std::ios::app) << 'x';
    CHECK(read_error(path) == too_large);
    REQUIRE(::truncate(path.c_str(), off_t{1} << 40U) == 0);  // a terabyte, on paper
    CHECK(read_error(path) == too_large);
    // /proc says 0 for the size of each of its files.
    CHECK(error_of([] {
              static_cast<void>(read_regular_file("/proc/self/status", 100, Links::kFollow));
          }) == "/proc/self/status: cannot be read: it is larger than 0 KiB");
}

TEST_CASE("a file that may be made is made, and what is there in its place is named") {
    const Scratch scratch;
    const std::string path = scratch.path() + "/file";
    const auto open_it = [&] {
        return open_regular_file(path, O_RDWR | O_CREAT, Links::kRefuse, 0600);
    };
    {
        const os::Fd made = open_it();
        REQUIRE(::write(made.get(), "ab", 2) == 2);
        CHECK((::fcntl(made.get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    char byte = 0;
    CHECK(::read(open_it().get(), &byte, 1) == 1);
    CHECK(byte == 'a');
    ::unlink(path.c_str());
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(error_of(open_it) == path + ": cannot be opened: it is a FIFO, expected a regular file");
    ::unlink(path.c_str());
    REQUIRE(::symlink("elsewhere", path.c_str()) == 0);
    CHECK(error_of(open_it) ==
          path + ": cannot be opened: it is a symbolic link, expected a regular file");
    CHECK(::access((scratch.path() + "/elsewhere").c_str(), F_OK) != 0);
}
