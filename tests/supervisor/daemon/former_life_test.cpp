#include "daemon/former_life.hpp"

#include "keeper/kin.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

const std::string kLife = "0123456789abcdef0123456789abcdef";

struct Directory {
    std::string path;
    Directory() {
        std::array<char, 64> name{"/tmp/shmipc-life-test-XXXXXX"};
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name.data();
    }
    ~Directory() { std::filesystem::remove_all(path); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
};

/// A process that stays, with what is said in its environment.
pid_t start(const std::string& variable) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execl("/usr/bin/env", "env", "-i", variable.c_str(), "/bin/sleep", "600", nullptr);
        ::_exit(1);
    }
    // It has its environment only when env(1) has become sleep(1).
    for (;;) {
        std::ifstream name("/proc/" + std::to_string(pid) + "/comm");
        std::string text;
        if (std::getline(name, text) && text == "sleep") {
            return pid;
        }
        ::usleep(1000);
    }
}

}  // namespace

TEST_CASE("the file of a former life names it, and processes of the same boot") {
    const FormerLife former =
        parse_former_life(kLife + " boot\n12 345\n1 1\nx y\n13\n14 15\n", "boot");
    CHECK(former.life == kLife);
    CHECK(former.processes == StartTimes{{12, 345}, {14, 15}});
    CHECK(parse_former_life(kLife + " boot\n12 345\n", "another").life == kLife);
    CHECK(parse_former_life(kLife + " boot\n12 345\n", "another").processes.empty());
    CHECK(parse_former_life(kLife + "\n12 345\n", "").processes.empty());
    // What is no life's name must not match the mark of others.
    for (const std::string& text :
         {std::string(), std::string("\n"), std::string(" boot\n"), kLife.substr(1) + " boot",
          kLife + "a boot", kLife.substr(1) + "g boot", std::string(1000, '\n')}) {
        CAPTURE(text);
        CHECK(parse_former_life(text, "boot").life.empty());
    }
}

TEST_CASE("anything may bear the name of the file") {
    const Directory directory;
    const std::string path = directory.path + "/g.life";
    CHECK(read_former_life(path).life.empty());
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(read_former_life(path).life.empty());
    { const LifeFile replaced(path, kLife); }
    REQUIRE(::symlink("/dev/zero", path.c_str()) == 0);
    CHECK(read_former_life(path).life.empty());
    std::filesystem::remove(path);
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    CHECK(read_former_life(path).life.empty());
    { const LifeFile refused(path, kLife); }  // said in the log, and goes on
    std::filesystem::remove(path);
    std::ofstream(path) << std::string(1U << 21U, '7');
    CHECK(read_former_life(path).life.empty());
}

TEST_CASE("the life's file tells what was kept last, and is nobody else's to read") {
    const Directory directory;
    const std::string path = directory.path + "/g.life";
    {
        LifeFile file(path, kLife);
        CHECK(read_former_life(path).life == kLife);
        file.keep({{4711, 12}, {4712, 13}});
        CHECK(read_former_life(path).processes == StartTimes{{4711, 12}, {4712, 13}});
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777U) == 0600U);
    }
    CHECK(std::filesystem::is_empty(directory.path));
}

TEST_CASE("what carries the mark of a life, or is in its list, is ended, and no other") {
    const std::string life = random_life();
    const pid_t marked_one = start("SHMIPC_LAUNCH=" + mark_of(life, WorkerIndex{3}));
    const pid_t listed = start("A=b");
    const pid_t reused = start("A=b");
    const pid_t another = start("SHMIPC_LAUNCH=" + mark_of(random_life(), WorkerIndex{3}));
    const auto started = [](pid_t pid) { return place_of(pid).value_or(Placed{}).started; };
    // Children of ours, and so zombies until they are reaped: those must not be counted for ever.
    const FormerLife former{
        .life = life, .processes = {{listed, started(listed)}, {reused, started(reused) + 1}}};
    CHECK(end_life(former, 10s) == 2);
    CHECK(end_life({}, 10s) == 0);
    CHECK(::waitpid(marked_one, nullptr, WNOHANG) == marked_one);
    CHECK(::waitpid(listed, nullptr, WNOHANG) == listed);
    for (const pid_t spared : {reused, another}) {
        CHECK(::waitpid(spared, nullptr, WNOHANG) == 0);
        ::kill(spared, SIGKILL);
        ::waitpid(spared, nullptr, 0);
    }
}
