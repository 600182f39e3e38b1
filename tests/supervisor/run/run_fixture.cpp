#include "run_fixture.hpp"

#include <shmipc/group.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shmipc::test {

using namespace std::chrono_literals;

SupervisorRun::SupervisorRun() {
    static std::atomic<int> count{0};
    group_ = "suptest-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    std::array<char, 64> name{"/tmp/shmipc-supervisor-test-XXXXXX"};
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory_ = name.data();
}

SupervisorRun::~SupervisorRun() {
    // The test may have ended with workers alive: they die with their supervisor, but their locks
    // only some time after it.
    std::error_code error;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    Group::remove(group_, error);
    while (error && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(5ms);
        error.clear();
        Group::remove(group_, error);
    }
    std::filesystem::remove_all(directory_, error);
}

std::vector<std::string> SupervisorRun::command(const std::string& toml,
                                                std::vector<std::string> options) const {
    const std::string file = directory_ + "/config.toml";
    std::ofstream(file) << toml;
    std::vector<std::string> command{SHMIPC_SUPERVISOR, "--config",     file,
                                     "--group",         group_,         "--runtime-dir",
                                     directory_,        "--log-format", "human"};
    command.insert(command.end(), options.begin(), options.end());
    return command;
}

std::vector<std::string> SupervisorRun::command_of_systemd(const std::string& toml) const {
    std::vector<std::string> command{"/bin/sh", "-c", R"(SYSTEMD_EXEC_PID=$$ exec "$@")", "sh"};
    std::ranges::copy(this->command(toml), std::back_inserter(command));
    return command;
}

std::vector<std::string> SupervisorRun::objects() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
        const std::string name = entry.path().filename().string();
        if (name.find(group_ + ".") != std::string::npos) {
            found.push_back(name);
        }
    }
    return found;
}

std::string stock_worker() {
    return R"(
[log]
level = "debug"
[worker]
command = ["shmipc-worker", "--group", "{group}", "--workers", "{workers}", "--index", "{index}",
           "--max-interval", "5ms"]
)";
}

std::vector<std::string> preloading(const std::string& library, const std::string& variable) {
    return {"LD_PRELOAD=" + library, variable,
            // AddressSanitizer wants to be first among the libraries.
            "ASAN_OPTIONS=verify_asan_link_order=0:use_sigaltstack=0"};
}

std::string script_worker(const std::string& script) {
    return "[worker]\ncommand = [\"/bin/sh\", \"-c\", '''" + script + "''', \"worker-{index}\"]\n";
}

std::string require_line(Process& process, const std::string& text) {
    const auto line = process.wait_for_line(text);
    REQUIRE_MESSAGE(line, "no line with '" << text << "' in:\n" << process.output());
    return *line;
}

pid_t pid_in(const std::string& line) {
    const std::size_t at = line.find("(pid ");
    REQUIRE_MESSAGE(at != std::string::npos, line);
    return static_cast<pid_t>(std::stol(line.substr(at + 5)));
}

pid_t require_started(Process& supervisor, unsigned index) {
    for (;;) {
        const std::string line =
            require_line(supervisor, "supervisor: worker " + std::to_string(index) + " (pid ");
        if (line.find(" started") != std::string::npos) {
            return pid_in(line);
        }
    }
}

bool ends(pid_t pid) {
    const os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) {
        return errno == ESRCH;
    }
    pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count();
    return os::retry([&] { return ::poll(&ended, 1, static_cast<int>(patience)); }) == 1;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

}  // namespace shmipc::test
