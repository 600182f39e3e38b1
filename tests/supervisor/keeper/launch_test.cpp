#include "keeper/launch.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

bool has_entry(const std::vector<std::string>& entries, const std::string& entry) {
    return std::find(entries.begin(), entries.end(), entry) != entries.end();
}

/// Two directories with files of a test's choice.
struct Directories {
    std::string base = "/tmp/shmipc-launch-test-" + std::to_string(::getpid());
    std::vector<std::string> files;
    Directories() {
        for (const auto* name : {"", "/own", "/path"}) {
            REQUIRE(::mkdir((base + name).c_str(), 0700) == 0);
        }
    }
    void put(const std::string& name, mode_t mode) {
        files.push_back(base + "/" + name);
        std::ofstream(files.back()) << "#!/bin/sh\n";
        REQUIRE(::chmod(files.back().c_str(), mode) == 0);
    }
    ~Directories() {
        for (const std::string& file : files) {
            std::remove(file.c_str());
        }
        for (const auto* name : {"/own", "/path", ""}) {
            ::rmdir((base + name).c_str());
        }
    }
    Directories(const Directories&) = delete;
    Directories& operator=(const Directories&) = delete;
    [[nodiscard]] LaunchContext context() const {
        LaunchContext context;
        context.own_directory = base + "/own";
        context.environment = {"XPATH=/wrong", "PATH=/nonexistent::" + base + "/path"};
        return context;
    }
};

}  // namespace

TEST_CASE("a bare name is looked for beside the supervisor, then in PATH") {
    Directories directories;
    directories.put("own/both", 0700);
    directories.put("path/both", 0700);
    directories.put("path/one", 0700);
    directories.put("own/plain", 0600);
    directories.put("path/plain", 0700);
    const LaunchContext context = directories.context();
    CHECK(find_program("both", context).path == directories.base + "/own/both");
    CHECK(find_program("one", context).path == directories.base + "/path/one");
    CHECK(find_program("plain", context).path == directories.base + "/path/plain");
    CHECK_FALSE(find_program("none", context).found);
    CHECK(find_program("./none", context).found);  // exec tells what is wrong
    CHECK(find_program("./none", context).path == "./none");
}

TEST_CASE("the command's placeholders stand for the values, as often as they occur") {
    Config config;
    config.group = {.name = "g", .workers = 12, .capacity = 64, .slots = 0};
    config.worker.command = {"w", "{group}-{index}-{index}", "{workers}", "{other}", "{{index}}"};
    const ChildSpec spec = plan_launch(config, WorkerIndex{7}, config.settings_of(WorkerIndex{7}),
                                       "/bin/w", LaunchContext{});
    CHECK(spec.program == "/bin/w");
    CHECK(spec.arguments == std::vector<std::string>{"w", "g-7-7", "12", "{other}", "{7}"});
    config.worker.command = {"/opt/{group}/worker-{index}"};
    CHECK(program_name(config, WorkerIndex{7}, config.worker) == "/opt/g/worker-7");
}

TEST_CASE("the environment tells the worker what it is, and nothing that is meant for others") {
    Config config;
    config.group = {.name = "g", .workers = 4, .capacity = 100, .slots = 0};
    config.log_level = log::Level::kWarning;
    config.worker.environment = {{"MODE", "common"}, {"PATH", "/p"}, {"SHMIPC_LOG_LEVEL", "debug"}};
    WorkerSettings own = config.worker;
    own.environment["MODE"] = "own";
    config.workers.emplace(2, own);
    LaunchContext context;
    context.log_format = log::Format::kHuman;
    context.environment = {"HOME=/h",
                           "PATH=/usr/bin",
                           "NOTIFY_SOCKET=/run/n",
                           "WATCHDOG_PID=1",
                           "WATCHDOG_USEC=1",
                           "LISTEN_FDS=1",
                           "LISTEN_PID=1",
                           "LISTEN_FDNAMES=a",
                           "SHMIPC_INDEX=9",
                           "NOTIFY=kept",
                           "SHMIPC_READY_FD=77",
                           "JOURNAL_STREAM=1:1",
                           "SHMIPC_READY_PIPE=1:2"};
    const auto two =
        plan_launch(config, WorkerIndex{2}, config.settings_of(WorkerIndex{2}), "w", context)
            .environment;
    const std::vector<std::string> expected{"HOME=/h",
                                            "MODE=own",
                                            "NOTIFY=kept",
                                            "PATH=/p",
                                            "SHMIPC_CAPACITY=100",
                                            "SHMIPC_GROUP=g",
                                            "SHMIPC_INDEX=2",
                                            "SHMIPC_LOG_FORMAT=human",
                                            "SHMIPC_LOG_LEVEL=debug",
                                            "SHMIPC_READY_FD=3",
                                            "SHMIPC_SLOTS=34",
                                            "SHMIPC_WORKERS=4"};
    CHECK(two == expected);
    CHECK(has_entry(
        plan_launch(config, WorkerIndex{1}, config.settings_of(WorkerIndex{1}), "w", context)
            .environment,
        "MODE=common"));
}
