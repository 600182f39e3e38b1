#include "config/config.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

/// The text of the ConfigError that `toml` leads to; empty if there is none.
std::string error_of(const std::string& toml) {
    try {
        check_config(read_config(toml, "x.toml"));
        return {};
    } catch (const ConfigError& error) {
        return error.what();
    }
}

bool begins(const std::string& text, const std::string& with) {
    return text.rfind(with, 0) == 0;
}

}  // namespace

TEST_CASE("an empty file is the defaults") {
    const Config config = read_config("", "x.toml");
    check_config(config);
    CHECK(config.group.name == "shmipc");
    CHECK(config.group.workers == 3);
    CHECK(config.group.capacity == 64);
    CHECK(config.worker.command.front() == "shmipc-worker");
    CHECK(config.worker.start_limit == 10s);
    CHECK(config.start_requires == 1);
    CHECK(config.rollback);
    CHECK(config.origins.empty());
}

TEST_CASE("every key reaches its place") {
    const Config config = read_config(R"(
group = "robot-1"
workers = 4
capacity = "64KiB"
slots = 8
persist = true
runtime_dir = "/somewhere"
[worker]
command = ["w", "{index}"]
environment = { A = "1", B = "2" }
start_limit = "1500ms"
stop_grace = "1.5s"
heartbeat_limit = "0s"
core_limit = "3s"
[worker.2]
command = ["other"]
environment = { B = "3" }
stop_grace = "0s"
heartbeat_limit = "500ms"
core_limit = "1h"
[restart]
initial = "50ms"
maximum = "2m"
factor = 3
jitter = 0.5
stable_after = "1h"
max_restarts = 7
window = "30s"
on_failure = "exit"
[log]
level = "warning"
format = "json"
[metrics]
listen = "[::1]:9464"
)",
                                      "x.toml");
    check_config(config);
    CHECK(config.group.name == "robot-1");
    CHECK(config.group.workers == 4);
    CHECK(config.group.capacity == 65536);
    CHECK(config.group.slots == 8);
    CHECK(config.persist);
    CHECK(config.runtime_dir == "/somewhere");
    CHECK(config.worker.command == std::vector<std::string>{"w", "{index}"});
    CHECK(config.worker.environment == std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}});
    CHECK(config.worker.start_limit == 1500ms);
    CHECK(config.worker.stop_grace == 1500ms);
    const WorkerSettings& two = config.settings_of(WorkerIndex{2});
    CHECK(two.command == std::vector<std::string>{"other"});
    CHECK(two.environment == std::map<std::string, std::string>{{"A", "1"}, {"B", "3"}});
    CHECK(two.start_limit == 1500ms);
    CHECK(two.stop_grace == 0s);
    CHECK(config.worker.heartbeat_limit == 0s);
    CHECK(config.worker.core_limit == 3s);
    CHECK(two.heartbeat_limit == 500ms);
    CHECK(two.core_limit == 1h);
    CHECK(config.shortest_heartbeat_limit() == 500ms);
    CHECK(config.metrics_listen == "[::1]:9464");
    CHECK(config.settings_of(WorkerIndex{1}).command.front() == "w");
    CHECK(config.restart.initial == 50ms);
    CHECK(config.restart.maximum == 120s);
    CHECK(config.restart.factor == 3.0);
    CHECK(config.restart.jitter == 0.5);
    CHECK(config.restart.stable_after == 3600s);
    CHECK(config.restart.max_restarts == 7);
    CHECK(config.restart.window == 30s);
    CHECK(config.on_failure == OnFailure::kExit);
    CHECK(config.log_level == log::Level::kWarning);
    CHECK(config.log_format == log::Format::kJson);
    CHECK(config.origins.at("restart.window") == "x.toml:28:10");
}

TEST_CASE("what is wrong is told with file, line and column") {
    struct Case {
        const char* toml;
        const char* begin;
        const char* part;
    };
    const Case cases[] = {
        {"workers = 1", "x.toml:1:11: 'workers' is 1", "2 … 1024"},
        {"\nworkers = 1025", "x.toml:2:11: 'workers' is 1025", "2 … 1024"},
        {"workers = \"3\"", "x.toml:1:11: 'workers' is a string", "a whole number"},
        {"workers = 3.0", "x.toml:1:11: 'workers' is a number with a point", "whole number"},
        {"workers = -3", "x.toml:1:11: 'workers' is -3", "2 … 1024"},
        {"group = \"a b\"", "x.toml:1:9: 'group' is \"a b\"", "A-Z"},
        {"group = \"\"", "x.toml:1:9: 'group' is \"\"", "1 … 64"},
        {"group = 7", "x.toml:1:9: 'group' is a whole number", "a string"},
        {"capacity = 7", "x.toml:1:12: 'capacity' is 7", "8 … 1073741824"},
        {"capacity = \"2GiB\"", "x.toml:1:12: 'capacity' is 2GiB", "8 … 1073741824"},
        {"capacity = \"big\"", "x.toml:1:12: 'capacity' is big", "64KiB"},
        {"capacity = [1]", "x.toml:1:12: 'capacity' is an array", "64KiB"},
        {"capacity = {}", "x.toml:1:12: 'capacity' is a table", "64KiB"},
        {"capacity = 1979-05-27", "x.toml:1:12: 'capacity' is a date or a time", "64KiB"},
        {"capacity = true", "x.toml:1:12: 'capacity' is a truth value", "64KiB"},
        {"slots = 3", "x.toml:1:9: 'slots' is 3", "with 3 workers expected 4 … 64"},
        {"slots = 65", "x.toml:1:9: 'slots' is 65", "4 … 64"},
        {"persist = 1", "x.toml:1:11: 'persist' is a whole number", "true or false"},
        {"runtime_dir = \"a/b\"", "x.toml:1:15: 'runtime_dir' is \"a/b\"", "absolute"},
        {"[worker]\ncommand = []", "x.toml:2:11: 'worker.command' is empty", "a program"},
        {"[worker]\ncommand = [\"\"]", "x.toml:2:11: 'worker.command' is empty", "a program"},
        {"[worker]\ncommand = \"w\"", "x.toml:2:11: 'worker.command' is a string", "an array"},
        {"[worker]\ncommand = [\"w\", 1]", "x.toml:2:17: 'worker.command' is a whole number",
         "strings"},
        {"[worker]\ncommand = [\"w\\u0000\"]", "x.toml:2:12: 'worker.command' contains a NUL", ""},
        {"[worker]\ncommand = [\"w\", \"{indx}\"]", "x.toml:2:11: 'worker.command' has {indx}",
         "did you mean {index}? What is not for the supervisor is written {{indx}}, or ${indx}"},
        {"[worker.1]\ncommand = [\"w\", \"-{worker}\"]",
         "x.toml:2:11: 'worker.1.command' has {worker}", "did you mean {workers}?"},
        {"[worker]\nenvironment = { A = 1 }", "x.toml:2:21: 'worker.environment.A' is a whole",
         "a string"},
        {"[worker]\nenvironment = { \"A=\" = \"1\" }", "x.toml:2:15: 'worker.environment' has 'A='",
         "name"},
        {"[worker]\nenvironment = { SHMIPC_INDEX = \"1\" }",
         "x.toml:2:15: 'worker.environment' has 'SHMIPC_INDEX'", "the supervisor sets"},
        {"[worker]\nstart_limit = 10", "x.toml:2:15: 'worker.start_limit' is a whole number",
         "250ms"},
        {"[worker]\nstart_limit = \"10\"", "x.toml:2:15: 'worker.start_limit' is \"10\"", "unit"},
        {"[worker]\nstart_limit = \"1ms\"", "x.toml:2:15: 'worker.start_limit' is \"1ms\"",
         "10ms … 1h"},
        {"[worker]\nstop_grace = \"1500us\"", "x.toml:2:14: 'worker.stop_grace' is \"1500us\"",
         "whole milliseconds"},
        {"[worker]\nheartbeat_limit = \"499ms\"", "x.toml:2:19: 'worker.heartbeat_limit' is",
         "expected 0s, which switches it off, or 500ms … 24h"},
        {"[worker]\nheartbeat_limits = \"1s\"", "x.toml:2:1: unknown key",
         "did you mean 'worker.heartbeat_limit'?"},
        {"[metrics]\nlisten = \"localhost:9464\"", "x.toml:2:10: 'metrics.listen' is", ""},
        {"[metrics]\nlisten = \"127.0.0.1\"", "x.toml:2:10: 'metrics.listen' is", ""},
        {"[worker.3]\nstop_grace = \"1s\"", "x.toml:1:1: 'worker.3' is beyond the group",
         "workers are 0 … 2"},
        {"[worker.1024]\n", "x.toml:1:1: 'worker.1024' is no worker's number", "0 … 1023"},
        {"[worker.01]\n", "x.toml:1:1: 'worker.01' is no worker's number", "0 … 1023"},
        {"[worker.1]\nrestart = 3", "x.toml:2:1: unknown key 'worker.1.restart'", ""},
        {"[restart]\ninitial = \"20s\"", "x.toml:2:11: 'restart.initial' contradicts", "10s"},
        {"[restart]\nmaximum = \"50ms\"", "x.toml:2:11: 'restart.maximum' contradicts", "100ms"},
        {"[restart]\nfactor = 0.5", "x.toml:2:10: 'restart.factor' is 0.5", "1 … 100"},
        {"[restart]\nfactor = nan", "x.toml:2:10: 'restart.factor' is nan", "1 … 100"},
        {"[restart]\njitter = \"a\"", "x.toml:2:10: 'restart.jitter' is a string", "a number"},
        {"[restart]\non_failure = \"stop\"", "x.toml:2:14: 'restart.on_failure' is \"stop\"",
         R"("continue", "exit")"},
        {"[log]\nlevel = \"loud\"", "x.toml:2:9: 'log.level' is \"loud\"", "\"warning\""},
        {"log = 3", "x.toml:1:7: 'log' is a whole number", "a table"},
        {"workers = ", "x.toml:1:", ""},
        {"workers = 3\nworkers = 4", "x.toml:2:", ""},
    };
    for (const Case& c : cases) {
        CAPTURE(c.toml);
        const std::string error = error_of(c.toml);
        CAPTURE(error);
        CHECK(begins(error, c.begin));
        CHECK(error.find(c.part) != std::string::npos);
    }
}

TEST_CASE("an unknown key is an error that names the nearest key") {
    CHECK(error_of("wokers = 3") == "x.toml:1:1: unknown key 'wokers': did you mean 'workers'?");
    CHECK(error_of("[restart]\n  max_restart = 3") ==
          "x.toml:2:3: unknown key 'restart.max_restart': did you mean 'restart.max_restarts'?");
    CHECK(error_of("[worker]\nstartlimit = \"1s\"") ==
          "x.toml:2:1: unknown key 'worker.startlimit': did you mean 'worker.start_limit'?");
    CHECK(error_of("[database]\n") == "x.toml:1:2: unknown key 'database'");
}

TEST_CASE("a file that cannot be read is an error that says why") {
    CHECK_THROWS_WITH_AS(read_config_file("/nonexistent/x.toml"),
                         "/nonexistent/x.toml: cannot be read: No such file or directory",
                         ConfigError);
    CHECK_THROWS_WITH_AS(read_config_file("/"),
                         "/: cannot be read: it is a directory, expected a regular file",
                         ConfigError);
    CHECK_THROWS_WITH_AS(read_config_file("/dev/zero"),
                         "/dev/zero: cannot be read: it is a device, expected a regular file",
                         ConfigError);
    CHECK(read_config_file("/dev/null").group.name == "shmipc");  // as if there were no file
}

TEST_CASE("a text that nests a hundred thousand levels deep is refused, in each form") {
    constexpr std::size_t kDepth = 100'000;
    const auto repeated = [](const std::string& part) {
        std::string text;
        for (std::size_t i = 0; i < kDepth; ++i) {
            text += part;
        }
        return text;
    };
    for (const std::string& toml : {
             repeated("a.") + "a = 1\n",
             repeated("'a'.") + "a = 1\n",
             "[" + repeated("a.") + "a]\n",
             "[[" + repeated("a.") + "a]]\n",
             "a = " + repeated("[") + repeated("]") + "\n",
             "a = " + repeated("{a=") + "1" + repeated("}") + "\n",
             "a = {" + repeated("a.") + "a = 1}\n",
             "a = [{" + repeated("a.") + "a = 1}]\n",
             "[a]\n" + repeated("a.") + "a = 1\n",
         }) {
        CAPTURE(toml.substr(0, 20));
        const std::string error = error_of(toml);
        CAPTURE(error);
        CHECK(error.find("nests deeper than 32 levels") != std::string::npos);
    }
    // As deep as may be, and parsed: an unknown key.
    std::string deep = "a";
    for (int i = 0; i < 32; ++i) {
        deep += ".a";
    }
    CHECK(error_of(deep + " = 1").find("unknown key 'a'") != std::string::npos);
}

TEST_CASE("an error is a line of bounded length, whatever stands in the file") {
    const std::string letters(500'000, 'a');
    for (const std::string& toml :
         {letters + " = 1\n", "group = \"" + letters + "\"\n", "[" + letters + "]\n",
          "[worker]\nenvironment = { \"" + letters + "=\" = \"\" }\n",
          "[log]\nlevel = \"" + letters + "\"\n", letters + "\n"}) {
        CAPTURE(toml.substr(0, 20));
        const std::string error = error_of(toml);
        CHECK(begins(error, "x.toml:"));
        CHECK(error.size() < 1100);
    }
}

TEST_CASE("extreme numbers and durations are refused for each key, never wrapped around") {
    const std::vector<std::string> durations{"worker.start_limit",     "worker.stop_grace",
                                             "worker.heartbeat_limit", "worker.core_limit",
                                             "restart.initial",        "restart.maximum",
                                             "restart.stable_after",   "restart.window",
                                             "worker.1.start_limit",   "worker.1.heartbeat_limit"};
    for (const std::string& key : durations) {
        for (const auto* value : {"\"-1s\"",
                                  "\"1e308h\"",
                                  "\"nan\"",
                                  "\"nans\"",
                                  "\"inf\"",
                                  "\"infs\"",
                                  "\"99999999999d\"",
                                  "\"999999999h\"",
                                  "\"2562047h\"",
                                  "\"2562048h\"",
                                  "\"876000h\"",
                                  "\"9223372036854775807ns\"",
                                  "\"18446744073709551616ms\"",
                                  "\"0.0000000001s\"",
                                  "\"\"",
                                  "\" 1s\"",
                                  "\"1 s\"",
                                  "\"+1s\"",
                                  "nan",
                                  "inf",
                                  "-1",
                                  "9223372036854775807"}) {
            CAPTURE(key);
            CAPTURE(value);
            CHECK(begins(error_of(key + " = " + value), "x.toml:1:"));
        }
    }
    for (const auto* key : {"workers", "slots", "restart.max_restarts", "capacity"}) {
        for (const auto* value :
             {"-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
              "18446744073709551616", "4294967297", "nan", "inf", "1e308", "-0.0"}) {
            CAPTURE(key);
            CAPTURE(value);
            CHECK(begins(error_of(std::string(key) + " = " + value), "x.toml:1:"));
        }
    }
    for (const auto* key : {"restart.factor", "restart.jitter"}) {
        for (const auto* value : {"-1", "nan", "-nan", "inf", "-inf", "1e308", "-1e-308", "1e999",
                                  "9223372036854775807"}) {
            CAPTURE(key);
            CAPTURE(value);
            CHECK(begins(error_of(std::string(key) + " = " + value), "x.toml:1:"));
        }
    }
    for (const auto* value : {"\"999999999999999999GiB\"", "\"9223372036854775808\"", "\"-1\"",
                              "\"1e3\"", "\"8EiB\"", "\"17179869185GiB\""}) {
        CAPTURE(value);
        CHECK(begins(error_of(std::string("capacity = ") + value), "x.toml:1:"));
    }
}

TEST_CASE("the file that is shipped documents every key, at its default") {
    std::ifstream file(SHMIPC_CONFIG_FILE);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    REQUIRE_FALSE(text.empty());
    check_config(read_config(text, "shipped"));

    // What is commented out, taken in: a key, or a table of one worker.
    const std::string full =
        std::regex_replace(text, std::regex(R"((^|\n)#(?=[a-z_]+ = |\[worker))"), "$1");
    const Config config = read_config(full, "shipped");
    check_config(config);
    const Config defaults;
    CHECK(config.group.name == defaults.group.name);
    CHECK(config.group.workers == defaults.group.workers);
    CHECK(config.group.capacity == defaults.group.capacity);
    CHECK(config.group.slots == defaults.group.slots);
    CHECK(config.persist == defaults.persist);
    CHECK(config.runtime_dir == defaults.runtime_dir);
    CHECK(config.worker.command == defaults.worker.command);
    CHECK(config.worker.environment == defaults.worker.environment);
    CHECK(config.worker.start_limit == defaults.worker.start_limit);
    CHECK(config.worker == defaults.worker);
    CHECK(config.metrics_listen == defaults.metrics_listen);
    CHECK(config.restart.initial == defaults.restart.initial);
    CHECK(config.restart.maximum == defaults.restart.maximum);
    CHECK(config.restart.factor == defaults.restart.factor);
    CHECK(config.restart.jitter == defaults.restart.jitter);
    CHECK(config.restart.stable_after == defaults.restart.stable_after);
    CHECK(config.restart.max_restarts == defaults.restart.max_restarts);
    CHECK(config.restart.window == defaults.restart.window);
    CHECK(config.on_failure == defaults.on_failure);
    CHECK(config.start_requires == defaults.start_requires);
    CHECK(config.rollback == defaults.rollback);
    CHECK(config.log_level == defaults.log_level);
    CHECK(config.log_format == defaults.log_format);
    for (const auto* key : {"group",
                            "workers",
                            "capacity",
                            "slots",
                            "persist",
                            "runtime_dir",
                            "worker.command",
                            "worker.environment",
                            "worker.start_limit",
                            "worker.stop_grace",
                            "worker.heartbeat_limit",
                            "worker.core_limit",
                            "metrics.listen",
                            "restart.initial",
                            "restart.maximum",
                            "restart.factor",
                            "restart.jitter",
                            "restart.stable_after",
                            "restart.max_restarts",
                            "restart.window",
                            "restart.on_failure",
                            "restart.start_requires",
                            "restart.rollback",
                            "log.level",
                            "log.format",
                            "worker.2"}) {
        CAPTURE(key);
        CHECK(config.origins.count(key) == 1);
    }
}

TEST_CASE("where no start limit is set it grows with the group") {
    CHECK(default_start_limit(2) == 10s);
    CHECK(default_start_limit(50) == 10s);
    CHECK(default_start_limit(1024) == 204'800ms);
    Config config = read_config(
        "workers = 1024\n[worker.1]\nstop_grace = \"1s\"\n[worker.2]\nstart_limit = \"5s\"",
        "x.toml");
    set_defaults(config);
    CHECK(config.settings_of(WorkerIndex{0}).start_limit == 204'800ms);
    CHECK(config.settings_of(WorkerIndex{1}).start_limit == 204'800ms);
    CHECK(config.settings_of(WorkerIndex{2}).start_limit == 5s);
    config = read_config("workers = 1024\n[worker]\nstart_limit = \"1s\"\n[worker.1]", "x.toml");
    set_defaults(config);
    CHECK(config.settings_of(WorkerIndex{0}).start_limit == 1s);
    CHECK(config.settings_of(WorkerIndex{1}).start_limit == 1s);
}

TEST_CASE("how many workers a start requires is a number of the group's, or all") {
    const auto required = [](const std::string& value) {
        return read_config("[restart]\nstart_requires = " + value, "x.toml").start_requires;
    };
    CHECK(required("2") == 2);
    CHECK(required("\"all\"") == kAllWorkers);
    for (const char* const wrong : {"0", "-1", "1025", "1.5", "\"some\"", "\"\"", "true", "[1]"}) {
        CAPTURE(wrong);
        CHECK_THROWS_AS((void)required(wrong), ConfigError);
    }
    const Config config = read_config("workers = 3\n[restart]\nstart_requires = 4", "x.toml");
    CHECK_THROWS_WITH_AS(check_config(config),
                         "x.toml:3:18: 'restart.start_requires' is 4: the group has 3 workers; "
                         "expected 1 … 3, or \"all\"",
                         ConfigError);
}
