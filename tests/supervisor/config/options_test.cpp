#include "config/options.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

using namespace shmipc;
using namespace shmipc::supervisor;

namespace {

struct Parsed {
    CommandLine line;
    std::string out;
    std::string err;
};

Parsed parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "shmipc-supervisor");
    std::ostringstream out;
    std::ostringstream err;
    CommandLine line =
        parse_command_line(static_cast<int>(arguments.size()), arguments.data(), out, err);
    return {std::move(line), out.str(), err.str()};
}

/// A file that goes with the test.
struct ConfigFile {
    std::string path;
    explicit ConfigFile(const std::string& text)
        : path("/tmp/shmipc-options-test-" + std::to_string(::getpid()) + ".toml") {
        std::ofstream(path) << text;
    }
    ~ConfigFile() { std::remove(path.c_str()); }
    ConfigFile(const ConfigFile&) = delete;
    ConfigFile& operator=(const ConfigFile&) = delete;
};

}  // namespace

TEST_CASE("options go before the file, whatever their order") {
    const ConfigFile file("workers = 5\npersist = true\ngroup = \"a\"\n[log]\nlevel = \"error\"\n");
    const Parsed parsed = parse({"--workers", "4", "--no-persist", "--config", file.path.c_str(),
                                 "--capacity", "1KiB", "--log-level", "debug"});
    REQUIRE(parsed.line.options);
    const Config config = load_config(*parsed.line.options);
    CHECK(config.group.workers == 4);
    CHECK(config.group.name == "a");
    CHECK(config.group.capacity == 1024);
    CHECK_FALSE(config.persist);
    CHECK(config.log_level == log::Level::kDebug);
}

TEST_CASE("an option that contradicts the file is told by the option's name") {
    const ConfigFile file("workers = 5\nslots = 6\n");
    const Parsed fewer = parse({"--config", file.path.c_str(), "--workers", "7"});
    REQUIRE(fewer.line.options);
    try {
        load_config(*fewer.line.options);
        FAIL("six slots do not do for seven workers");
    } catch (const ConfigError& error) {
        CHECK(std::string(error.what()).find(file.path + ":2:9: 'slots' is 6") == 0);
    }
    const Parsed slots = parse({"--config", file.path.c_str(), "--slots", "70"});
    REQUIRE(slots.line.options);
    CHECK_THROWS_WITH_AS(load_config(*slots.line.options),
                         "--slots: 'slots' is 70: with 5 workers expected 6 … 64, or 0 for 35",
                         ConfigError);
}

TEST_CASE("what follows -- is every worker's command, with options of its own") {
    const ConfigFile file("[worker.1]\ncommand = [\"b\"]\nstop_grace = \"1s\"\n");
    const Parsed parsed =
        parse({"--config", file.path.c_str(), "--", "w", "--index", "{index}", "--", "--help"});
    REQUIRE(parsed.line.options);
    const Config config = load_config(*parsed.line.options);
    const std::vector<std::string> expected{"w", "--index", "{index}", "--", "--help"};
    CHECK(config.worker.command == expected);
    CHECK(config.settings_of(WorkerIndex{1}).command == expected);
    CHECK(config.settings_of(WorkerIndex{1}).stop_grace == std::chrono::seconds(1));
}

TEST_CASE("a placeholder of a command line that does not exist is told with its place") {
    const ConfigFile file("[worker.1]\ncommand = [\"b\"]\n");
    const Parsed parsed = parse({"--config", file.path.c_str(), "--", "w", "{indx}"});
    REQUIRE(parsed.line.options);
    try {
        load_config(*parsed.line.options);
        FAIL("there is no {indx}");
    } catch (const ConfigError& error) {
        CHECK(std::string(error.what()).find("--: 'worker.command' has {indx}") == 0);
    }
}

TEST_CASE("wrong usage exits 64 and says what is wrong on standard error") {
    const std::vector<std::vector<const char*>> cases{
        {"3"},
        {"--wokers", "3"},
        {"--workers"},
        {"--workers", "1"},
        {"--workers", "1025"},
        {"--workers", "x"},
        {"--capacity", "7"},
        {"--capacity", "2GiB"},
        {"--slots", "-1"},
        {"--group", "a b"},
        {"--log-level", "loud"},
        {"--log-format", "xml"},
        {"--check", "a", "--config", "b"},
    };
    for (const auto& arguments : cases) {
        CAPTURE(arguments.front());
        const Parsed parsed = parse(arguments);
        CHECK_FALSE(parsed.line.options);
        CHECK(parsed.line.exit_code == ExitCode::kUsage);
        CHECK_FALSE(parsed.err.empty());
        CHECK(parsed.out.empty());
    }
}

TEST_CASE("help and version go to standard output and exit 0") {
    const Parsed help = parse({"--help"});
    CHECK_FALSE(help.line.options);
    CHECK(help.line.exit_code == ExitCode::kOk);
    for (const auto* word : {"--config", "--console", "Examples:", "Exit codes:", "{index}"}) {
        CHECK(help.out.find(word) != std::string::npos);
    }
    const Parsed version = parse({"--version"});
    CHECK(version.line.exit_code == ExitCode::kOk);
    CHECK(version.out.find("shmipc-supervisor ") == 0);
}
