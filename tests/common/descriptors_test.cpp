// Descriptors: whatever a program was started with closed, and whatever it is not allowed to have.
#include "base/log.hpp"
#include "base/os.hpp"
#include "child.hpp"
#include "group_guard.hpp"
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using test::catch_error;
using test::Caught;
using test::Child;
using test::GroupGuard;

namespace {

constexpr WorkerIndex kFirst{0};
constexpr WorkerIndex kSecond{1};
const auto kText = std::as_bytes(std::span("text"));
/// Each set of the standard three, but the empty one.
constexpr unsigned kSubsets = 8;

void close_standard(unsigned which) {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if ((which & (1U << static_cast<unsigned>(fd))) != 0) {
            ::close(fd);
        }
    }
}

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

/// The standard descriptors that are closed, as close_standard() takes them.
unsigned closed_standard() {
    unsigned closed = 0;
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        closed |= is_open(fd) ? 0U : 1U << static_cast<unsigned>(fd);
    }
    return closed;
}

int count_open() {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) {
        count += is_open(fd) ? 1 : 0;
    }
    return count;
}

void limit(__rlimit_resource resource, rlim_t most) {
    rlimit limit{};
    ::getrlimit(resource, &limit);
    limit.rlim_cur = most;
    ::setrlimit(resource, &limit);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
rlim_t address_space_in_use() {
    unsigned long pages = 0;
    std::FILE* const file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr || std::fscanf(file, "%lu", &pages) != 1) {
        return 0;
    }
    std::fclose(file);
    return rlim_t{pages} * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}
#endif

bool tells(const Caught& caught, std::initializer_list<std::string> parts) {
    const bool good = caught.code == Errc::kSystem && caught.tells(parts);
    if (!good) {
        std::fprintf(stderr, "%s\n", caught.text.c_str());
    }
    return good;
}

}  // namespace

TEST_CASE(
    "what the library opens is never standard input, output or error, though they are closed") {
    for (unsigned which = 1; which < kSubsets; ++which) {
        CAPTURE(which);
        const GroupGuard guard(3);
        Child child([&](Child::Line&) {
            close_standard(which);
            Worker first = Worker::attach(guard.config, kFirst);
            Worker second = Worker::attach(guard.config, kSecond);
            const Group group = Group::open(guard.config.name);
            Observer observer = Observer::open(guard.config.name);
            log::init({.identifier = "test",
                       .prefix = {},
                       .format = log::Format::kJournal,
                       .journal_socket = "/nonexistent/socket"});
            log::log(log::Level::kInfo, log::Event::kMessage, "a line");
            if (closed_standard() != which) {
                return 1;
            }
            // What a program prints all the same must not get into an object.
            for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
                if ((which & (1U << static_cast<unsigned>(fd))) != 0 &&
                    ::write(fd, "rubbish", 7) != -1) {
                    return 2;
                }
            }
            if (first.producer().publish(kText) != Errc::kOk ||
                !second.consumer(kFirst).acquire()) {
                return 3;
            }
            return first.verify() == Errc::kOk && group.running(kSecond) ? 0 : 4;
        });
        const Child::End end = child.wait();
        CHECK_MESSAGE(end.status == 0, end.errors);
        CHECK(Group::open(guard.config.name).vital_signs(kFirst)->incarnation == 1);
    }
}

TEST_CASE("what was opened is moved above the standard three, close-on-exec") {
    Child child([](Child::Line&) {
        close_standard(0b011);
        const os::Fd first(os::above_standard(::open("/dev/null", O_RDONLY)));
        const os::Fd second(os::above_standard(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
        if (first.get() < 3 || second.get() < 3 || closed_standard() != 0b011 ||
            (::fcntl(first.get(), F_GETFD) & FD_CLOEXEC) == 0) {
            return 1;
        }
        // No number is left above them: then it is none, and says so.
        limit(RLIMIT_NOFILE, 3);
        const os::Fd none(os::above_standard(::open("/dev/null", O_RDONLY)));
        return !none && errno == EMFILE && closed_standard() == 0b011 ? 0 : 2;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("a program puts /dev/null where a standard descriptor is closed, for its children too") {
    for (unsigned which = 0; which < kSubsets; ++which) {
        CAPTURE(which);
        Child child([&](Child::Line&) {
            const int before = count_open();
            close_standard(which);
            if (!os::open_standard_descriptors() || count_open() != before) {
                return 1;
            }
            struct stat null {};
            ::stat("/dev/null", &null);
            for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
                struct stat status {};
                const bool ours = (which & (1U << static_cast<unsigned>(fd))) != 0;
                if (::fstat(fd, &status) != 0 || (ours && status.st_rdev != null.st_rdev) ||
                    ::fcntl(fd, F_GETFD) != 0) {
                    return 2;
                }
            }
            return 0;
        });
        const Child::End end = child.wait();
        CHECK_MESSAGE(end.status == 0, end.errors);
    }
}

TEST_CASE("beyond RLIMIT_FSIZE a group is not made, its name tells why, and nobody is killed") {
    for (const rlim_t most : {rlim_t{0}, rlim_t{1}, rlim_t{8192}, rlim_t{65'536}}) {
        CAPTURE(most);
        const GroupGuard guard(2, 65'536);
        Child child([&](Child::Line&) {
            limit(RLIMIT_FSIZE, most);
            const Caught attach = catch_error([&] { return Worker::attach(guard.config, kFirst); });
            const Caught create = catch_error([&] { return Group::create_or_open(guard.config); });
            for (const Caught& caught : {attach, create}) {
                if (!tells(caught, {guard.config.name, "RLIMIT_FSIZE is " + std::to_string(most),
                                    "LimitFSIZE=", "ulimit -f"})) {
                    return 1;
                }
            }
            sigset_t pending;
            ::sigpending(&pending);
            sigset_t blocked;
            ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
            return ::sigismember(&pending, SIGXFSZ) == 0 && ::sigismember(&blocked, SIGXFSZ) == 0
                       ? 0
                       : 2;
        });
        const Child::End end = child.wait();
        CHECK_MESSAGE(end.status == 0, end.errors);
        CHECK(end.signal == 0);
        CHECK(guard.files().empty());
    }
}

TEST_CASE("a group that is there is used, and removed, whatever RLIMIT_FSIZE says") {
    const GroupGuard guard(2);
    static_cast<void>(Group::create_or_open(guard.config));
    Child child([&](Child::Line&) {
        limit(RLIMIT_FSIZE, 0);
        const bool published =
            Worker::attach(guard.config, kFirst).producer().publish(kText) == Errc::kOk;
        return published && Group::remove(guard.config.name) ? 0 : 1;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    CHECK(guard.files().empty());
}

TEST_CASE(
    "with few descriptors a worker attaches or says which limit it has met, and leaves nothing") {
    const GroupGuard guard(2);
    Child child([&](Child::Line&) {
        for (rlim_t most = 3; most < 64; ++most) {
            limit(RLIMIT_NOFILE, most);
            const Caught caught = catch_error([&] { return Worker::attach(guard.config, kFirst); });
            if (caught.code == Errc::kOk) {
                return 0;
            }
            if (!tells(caught,
                       {"RLIMIT_NOFILE is " + std::to_string(most), "LimitNOFILE=", "ulimit -n"})) {
                return 1;
            }
            limit(RLIMIT_NOFILE, 64);
            if (!guard.files().empty()) {
                return 2;
            }
        }
        return 3;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

TEST_CASE("who makes a group and has no descriptors to open it takes it back") {
    const GroupGuard guard(16);
    Child child([&](Child::Line&) {
        for (rlim_t most = 3; most < 64; ++most) {
            limit(RLIMIT_NOFILE, most);
            const Caught caught = catch_error([&] { return Group::create_or_open(guard.config); });
            limit(RLIMIT_NOFILE, 64);
            if (caught.code == Errc::kOk) {
                return most > 16 ? 0 : 3;
            }
            if (!tells(caught, {"RLIMIT_NOFILE is " + std::to_string(most)})) {
                return 1;
            }
            if (!guard.files().empty()) {
                return 2;
            }
        }
        return 4;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
}

// A sanitizer has terabytes of addresses mapped.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("without addresses for its objects a worker says so, and leaves nothing") {
    const GroupGuard guard(2, std::uint64_t{16} << 20U);
    Child child([&](Child::Line&) {
        limit(RLIMIT_AS, address_space_in_use() + (rlim_t{16} << 20U));
        const Caught caught = catch_error([&] { return Worker::attach(guard.config, kFirst); });
        return tells(caught, {"cannot map", "RLIMIT_AS is ", "LimitAS=", "ulimit -v"}) ? 0 : 1;
    });
    const Child::End end = child.wait();
    CHECK_MESSAGE(end.status == 0, end.errors);
    CHECK(guard.files().empty());
    CHECK(Worker::attach(guard.config, kFirst).incarnation() == 1);
}
#endif
