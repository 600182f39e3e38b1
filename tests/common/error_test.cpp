#include "base/os.hpp"
#include "child.hpp"
#include <shmipc/detail/check.hpp>
#include <shmipc/error.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <ostream>
#include <set>
#include <string>

#include <fcntl.h>
#include <unistd.h>

using namespace shmipc;

TEST_CASE("every error code has a text of its own") {
    std::set<std::string> texts;
    const auto last = static_cast<unsigned>(Errc::kSystem);
    for (unsigned value = 0; value <= last; ++value) {
        const std::string text = make_error_code(static_cast<Errc>(value)).message();
        CHECK_FALSE(text.empty());
        CHECK(text != "unknown error");
        CHECK_MESSAGE(texts.insert(text).second, text);
    }
    CHECK(texts.size() == last + 1);
    CHECK(category().message(static_cast<int>(last) + 1) == "unknown error");
    CHECK(category().message(255) == "unknown error");
}

TEST_CASE("an error code compares with the enumeration and names its category") {
    const std::error_code code = Errc::kNoSpace;
    CHECK(code == Errc::kNoSpace);
    CHECK(code != Errc::kNoGroup);
    CHECK(std::string(code.category().name()) == "shmipc");
    CHECK_FALSE(std::error_code(Errc::kOk));
}

TEST_CASE("an Error's text is its own words, without what std::system_error appends") {
    const Error error(Errc::kLayoutVersion, "expected 1, found 2");
    CHECK(std::string(error.what()) == "expected 1, found 2");
    CHECK(error.text() == "expected 1, found 2");
    CHECK(error.errc() == Errc::kLayoutVersion);
    CHECK(error.system_errno() == 0);
    CHECK(error.code() == Errc::kLayoutVersion);
}

TEST_CASE("a failed system call becomes the code that fits errno, and is named") {
    CHECK(Error::from_errno(Errc::kSystem, EACCES, "x").errc() == Errc::kNoPermission);
    CHECK(Error::from_errno(Errc::kSystem, EPERM, "x").errc() == Errc::kNoPermission);
    CHECK(Error::from_errno(Errc::kSystem, EROFS, "x").errc() == Errc::kNoPermission);
    CHECK(Error::from_errno(Errc::kSystem, ENOSPC, "x").errc() == Errc::kNoSpace);
    CHECK(Error::from_errno(Errc::kSystem, EDQUOT, "x").errc() == Errc::kNoSpace);
    CHECK(Error::from_errno(Errc::kSystem, EMFILE, "x").errc() == Errc::kSystem);
    CHECK(Error::from_errno(Errc::kNoGroup, EACCES, "x").errc() == Errc::kNoGroup);
    const Error error = Error::from_errno(Errc::kSystem, EMFILE, "cannot open x");
    CHECK(error.system_errno() == EMFILE);
    CHECK(error.text().rfind("cannot open x: Too many open files (RLIMIT_NOFILE is ", 0) == 0);
    CHECK(Error::from_errno(Errc::kSystem, EBADF, "x").text() == "x: Bad file descriptor");
}

TEST_CASE("a call is made again after EINTR, and only then") {
    int calls = 0;
    CHECK(os::retry([&] {
              errno = EINTR;
              return ++calls < 4 ? -1 : 7;
          }) == 7);
    CHECK(calls == 4);
    calls = 0;
    CHECK(os::retry([&] {
              errno = EIO;
              ++calls;
              return -1;
          }) == -1);
    CHECK(calls == 1);
    CHECK_THROWS_AS(os::require("x",
                                [] {
                                    errno = EIO;
                                    return -1;
                                }),
                    Error);
}

TEST_CASE("a descriptor is closed once, by its last owner") {
    const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(raw >= 0);
    {
        os::Fd first(raw);
        os::Fd second(std::move(first));
        CHECK(second.get() == raw);
        CHECK(first.get() == -1);  // NOLINT(bugprone-use-after-move): that is what is tested
        os::Fd third;
        third = std::move(second);
        CHECK(fcntl(raw, F_GETFD) != -1);
        os::Fd& same = third;
        third = std::move(same);
        CHECK(third.get() == raw);
    }
    CHECK(fcntl(raw, F_GETFD) == -1);
}

TEST_CASE("a failed check aborts, with file, line, function and the sentence on standard error") {
    test::Child child([](test::Child::Line&) { SHMIPC_CHECK(1 + 1 == 3, "sums are broken"); });
    const test::Child::End end = child.wait();
    CHECK(end.signal == SIGABRT);
    CHECK(end.errors.find("error_test.cpp:") != std::string::npos);
    CHECK(end.errors.find("(1 + 1 == 3) sums are broken\n") != std::string::npos);
    CHECK(end.errors.starts_with("shmipc: check failed: "));
}

TEST_CASE("a check that fails with an endless text still ends in a line and an abort") {
    test::Child child([](test::Child::Line&) {
        detail::fail_check("file", 1, "function", std::string(100'000, 'x'));
    });
    const test::Child::End end = child.wait();
    CHECK(end.signal == SIGABRT);
    CHECK(end.errors.size() <= 1024);
    CHECK(end.errors.ends_with("x\n"));
}
