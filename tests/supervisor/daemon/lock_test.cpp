#include "daemon/lock.hpp"

#include "base/os.hpp"
#include "shared/runtime_dir.hpp"
#include <shmipc/error.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

struct LockDirectory {
    std::string path = "/tmp/shmipc-lock-test-" + std::to_string(::getpid());
    LockDirectory() { REQUIRE(::mkdir(path.c_str(), 0700) == 0); }
    ~LockDirectory() {
        ::unlink(lock().c_str());
        ::rmdir(path.c_str());
    }
    LockDirectory(const LockDirectory&) = delete;
    LockDirectory& operator=(const LockDirectory&) = delete;
    [[nodiscard]] std::string lock() const { return path + "/g.lock"; }
};

bool is_there(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

/// Sets a variable of the environment for the life of a test.
struct Variable {
    const char* name;
    std::optional<std::string> before;
    Variable(const char* variable, const char* value) : name(variable) {
        if (const char* old = std::getenv(name)) {
            before = old;
        }
        ::setenv(name, value, 1);
    }
    ~Variable() { before ? ::setenv(name, before->c_str(), 1) : ::unsetenv(name); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
};

}  // namespace

TEST_CASE("the second is refused with the pid of the first, until the first ends") {
    const LockDirectory directory;
    pid_t holder = -1;
    {
        const auto first = SupervisorLock::acquire(directory.lock(), holder);
        REQUIRE(first);
        CHECK(holder == -1);
        CHECK_FALSE(SupervisorLock::acquire(directory.lock(), holder));
        CHECK(holder == ::getpid());
    }
    CHECK_FALSE(is_there(directory.lock()));
    CHECK(SupervisorLock::acquire(directory.lock(), holder));
}

TEST_CASE("a file that a killed holder left is taken up, and says the new pid") {
    const LockDirectory directory;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        pid_t holder = 0;
        const auto lock = SupervisorLock::acquire(directory.lock(), holder);
        const char answer = lock ? 'y' : 'n';
        if (::write(ends[1], &answer, 1) == 1) {
            ::pause();  // until it is killed
        }
        ::_exit(1);
    }
    char answer = 0;
    REQUIRE(::read(ends[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');
    pid_t holder = 0;
    CHECK_FALSE(SupervisorLock::acquire(directory.lock(), holder));
    CHECK(holder == child);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ends[0]);
    ::close(ends[1]);
    CHECK(is_there(directory.lock()));
    const auto lock = SupervisorLock::acquire(directory.lock(), holder);
    REQUIRE(lock);
    CHECK_FALSE(SupervisorLock::acquire(directory.lock(), holder));
    CHECK(holder == ::getpid());
}

TEST_CASE("whoever finds the file removed under him locks the new one, and spares it at the end") {
    const LockDirectory directory;
    pid_t holder = 0;
    {
        const auto orphan = SupervisorLock::acquire(directory.lock(), holder);
        REQUIRE(orphan);
        ::unlink(directory.lock().c_str());
        const auto second = SupervisorLock::acquire(directory.lock(), holder);
        REQUIRE(second);  // another file, another lock
    }
    // Reverse order: the second removed its own; the orphan found nothing of its own to remove.
    CHECK_FALSE(is_there(directory.lock()));
    auto orphan = SupervisorLock::acquire(directory.lock(), holder);
    REQUIRE(orphan);
    ::unlink(directory.lock().c_str());
    const auto second = SupervisorLock::acquire(directory.lock(), holder);
    orphan.reset();
    CHECK(is_there(directory.lock()));
}

TEST_CASE("however holders come and go, there is never more than one") {
    const LockDirectory directory;
    std::atomic<int> holders{0};
    std::atomic<int> most{0};
    std::atomic<int> held{0};
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
        // Threads do: the lock belongs to the open file, not to the process.
        threads.emplace_back([&] {
            for (int round = 0; round < 3000; ++round) {
                pid_t holder = 0;
                if (const auto lock = SupervisorLock::acquire(directory.lock(), holder)) {
                    const int now = ++holders;
                    if (now > most.load()) {
                        most = now;
                    }
                    ++held;
                    std::this_thread::yield();
                    --holders;
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(held.load() > 4);
    CHECK(most.load() == 1);
}

TEST_CASE("the lock is for nobody else to open; an older one that somebody reads is made anew") {
    const LockDirectory directory;
    const auto mode = [&] {
        struct stat status {};
        REQUIRE(::stat(directory.lock().c_str(), &status) == 0);
        return status.st_mode & 07777U;
    };
    pid_t holder = 0;
    {
        const mode_t old = ::umask(0);
        const auto lock = SupervisorLock::acquire(directory.lock(), holder);
        ::umask(old);
        CHECK(lock);
        CHECK(mode() == 0600);
    }
    const os::Fd older(::open(directory.lock().c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0644));
    {
        const auto lock = SupervisorLock::acquire(directory.lock(), holder);
        CHECK(lock);
        CHECK(mode() == 0600);
        CHECK_FALSE(SupervisorLock::acquire(directory.lock(), holder));
        CHECK(holder == ::getpid());
    }
    const os::Fd left(::open(directory.lock().c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0644));
    struct flock whole {};
    whole.l_type = F_RDLCK;
    whole.l_whence = SEEK_SET;
    REQUIRE(::fcntl(left.get(), F_OFD_SETLK, &whole) == 0);
    const auto lock = SupervisorLock::acquire(directory.lock(), holder);
    CHECK(lock);
    CHECK(mode() == 0600);
    CHECK_FALSE(SupervisorLock::acquire(directory.lock(), holder));
}

TEST_CASE("what is no file in the place of the lock is refused, and holds nobody up") {
    const LockDirectory directory;
    pid_t holder = 0;
    REQUIRE(::mkfifo(directory.lock().c_str(), 0600) == 0);
    CHECK_THROWS_AS(SupervisorLock::acquire(directory.lock(), holder), Error);
    ::unlink(directory.lock().c_str());
    REQUIRE(::mkdir(directory.lock().c_str(), 0700) == 0);
    CHECK_THROWS_AS(SupervisorLock::acquire(directory.lock(), holder), Error);
    ::rmdir(directory.lock().c_str());
}

TEST_CASE("a link in the place of the lock is not followed") {
    const LockDirectory directory;
    const std::string target = directory.path + "/target";
    REQUIRE(::symlink(target.c_str(), directory.lock().c_str()) == 0);
    pid_t holder = 0;
    CHECK_THROWS_AS(SupervisorLock::acquire(directory.lock(), holder), Error);
    CHECK_FALSE(is_there(target));
    ::unlink(target.c_str());
}

TEST_CASE("whatever stands in the place of the lock is told, and nobody waits for it") {
    const LockDirectory directory;
    const auto error = [&]() -> std::string {
        pid_t holder = 0;
        try {
            SupervisorLock::acquire(directory.lock(), holder);
            return {};
        } catch (const Error& failure) {
            return failure.text();
        }
    };
    const std::string begin = directory.lock() + ": cannot be opened: it is ";
    REQUIRE(::mkfifo(directory.lock().c_str(), 0600) == 0);
    CHECK(error() == begin + "a FIFO, expected a regular file");
    ::unlink(directory.lock().c_str());
    REQUIRE(::mkdir(directory.lock().c_str(), 0700) == 0);
    CHECK(error() == begin + "a directory, expected a regular file");
    ::rmdir(directory.lock().c_str());
    REQUIRE(::symlink("/dev/zero", directory.lock().c_str()) == 0);
    CHECK(error() == begin + "a symbolic link, expected a regular file");
    ::unlink(directory.lock().c_str());
    // However long it is: taken up, and its length with it.
    const os::Fd file(::open(directory.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::ftruncate(file.get(), off_t{1} << 40U) == 0);
    CHECK(error().empty());
}

TEST_CASE("the runtime directory is made, private, and refused if others may write to it") {
    const LockDirectory directory;
    const std::string path = directory.path + "/run";
    prepare_runtime_directory(path);
    prepare_runtime_directory(path);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0022U) == 0);
    REQUIRE(::chmod(path.c_str(), 0777) == 0);
    CHECK_THROWS_AS(prepare_runtime_directory(path), Error);
    ::rmdir(path.c_str());
    CHECK_THROWS_AS(prepare_runtime_directory(directory.path + "/a/b"), Error);
    REQUIRE(::symlink("/tmp", path.c_str()) == 0);
    CHECK_THROWS_AS(prepare_runtime_directory(path), Error);
    ::unlink(path.c_str());
}

TEST_CASE(
    "the runtime directory is the configured one, root's, the session's, or one's own in /tmp") {
    CHECK(runtime_directory("/x") == "/x");
    const Variable session("XDG_RUNTIME_DIR", "/run/user/1");
    const Variable no_service("RUNTIME_DIRECTORY", "");
    if (::geteuid() == 0) {
        CHECK(runtime_directory("") == "/run/shmipc");
    } else {
        CHECK(runtime_directory("") == "/run/user/1/shmipc");
        const Variable none("XDG_RUNTIME_DIR", "");
        CHECK(runtime_directory("") == "/tmp/shmipc-" + std::to_string(::geteuid()));
    }
}

TEST_CASE("a service uses the place of all groups if it is its user's, else the one made for it") {
    const LockDirectory directory;
    const std::string shared = directory.path + "/shared";
    CHECK(runtime_directory_of_service(shared, "/made") == "/made");  // it is not there
    REQUIRE(::mkdir(shared.c_str(), 0700) == 0);
    CHECK(runtime_directory_of_service(shared, "/made") == shared);
    const std::string link = directory.path + "/link";
    REQUIRE(::symlink(shared.c_str(), link.c_str()) == 0);
    CHECK(runtime_directory_of_service(link, "/made") == "/made");
    const uid_t another = ::geteuid() + 1;
    if (::chown(shared.c_str(), another, static_cast<gid_t>(-1)) == 0) {  // we are root
        CHECK(runtime_directory_of_service(shared, "/made") == "/made");
    } else {
        CHECK(runtime_directory_of_service("/", "/made") == "/made");
    }
    ::unlink(link.c_str());
    ::rmdir(shared.c_str());
}

TEST_CASE("the directory made for a service is the first that $RUNTIME_DIRECTORY names") {
    CHECK(service_directory("/run/a:/run/b") == "/run/a");
    CHECK(service_directory("/run/a") == "/run/a");
    CHECK(service_directory("a:/run/b").empty());
    CHECK(service_directory("").empty());
    CHECK(service_directory(nullptr).empty());
    CHECK(system_runtime_directory_of("b") == "/run/shmipc-b");
    const Variable service("RUNTIME_DIRECTORY", "/run/a:/run/b");
    CHECK(runtime_directory("/x") == "/x");
}
