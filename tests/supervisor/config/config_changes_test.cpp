#include "config/config_changes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace shmipc;
using namespace shmipc::supervisor;
using namespace std::chrono_literals;

namespace {

using Keys = std::vector<std::string>;

Config config_of(const std::string& toml) {
    return read_config(toml, "x.toml");
}

/// What changes from one file to the other.
ConfigChanges changes(const std::string& running, const std::string& fresh) {
    Config config = config_of(running);
    return take_over(config, config_of(fresh));
}

}  // namespace

TEST_CASE("each live key is told when it changes, and only then") {
    CHECK(changes("", "").applied.empty());
    CHECK(changes("", "persist = true").applied == Keys{"persist"});
    CHECK(changes("", "[worker]\nstart_limit = \"3s\"").applied == Keys{"worker.start_limit"});
    CHECK(changes("", "[worker]\nstop_grace = \"3s\"").applied == Keys{"worker.stop_grace"});
    CHECK(changes("", "[worker]\nheartbeat_limit = \"0s\"").applied ==
          Keys{"worker.heartbeat_limit"});
    CHECK(changes("", "[worker]\ncore_limit = \"0s\"").applied == Keys{"worker.core_limit"});
    CHECK(changes("", "[restart]\ninitial = \"7ms\"").applied == Keys{"restart.initial"});
    CHECK(changes("", "[restart]\nmaximum = \"7s\"").applied == Keys{"restart.maximum"});
    CHECK(changes("", "[restart]\nfactor = 3").applied == Keys{"restart.factor"});
    CHECK(changes("", "[restart]\njitter = 0.0").applied == Keys{"restart.jitter"});
    CHECK(changes("", "[restart]\nstable_after = \"7s\"").applied == Keys{"restart.stable_after"});
    CHECK(changes("", "[restart]\nmax_restarts = 7").applied == Keys{"restart.max_restarts"});
    CHECK(changes("", "[restart]\nwindow = \"7s\"").applied == Keys{"restart.window"});
    CHECK(changes("", "[restart]\non_failure = \"exit\"").applied == Keys{"restart.on_failure"});
    CHECK(changes("", "[log]\nlevel = \"debug\"").applied == Keys{"log.level"});
    CHECK(changes("", "[metrics]\nlisten = \"127.0.0.1:9464\"").applied == Keys{"metrics.listen"});
}

TEST_CASE("each key that needs a restart is told, and stays as it was") {
    CHECK(changes("", "group = \"x\"").needs_restart == Keys{"group"});
    CHECK(changes("", "workers = 5").needs_restart == Keys{"workers"});
    CHECK(changes("", "capacity = 128").needs_restart == Keys{"capacity"});
    CHECK(changes("", "slots = 9").needs_restart == Keys{"slots"});
    CHECK(changes("", "runtime_dir = \"/x\"").needs_restart == Keys{"runtime_dir"});
    CHECK(changes("", "[log]\nformat = \"json\"").needs_restart == Keys{"log.format"});
    Config config = config_of("");
    take_over(config, config_of("group = \"x\"\nworkers = 5\ncapacity = 128\nslots = 9\n"
                                "runtime_dir = \"/x\"\npersist = true\n[log]\nformat = \"json\""));
    CHECK(config.group.name == "shmipc");
    CHECK(config.group.workers == 3);
    CHECK(config.group.capacity == 64);
    CHECK(config.group.slots == 0);
    CHECK(config.runtime_dir.empty());
    CHECK(config.log_format == log::Format::kAuto);
    CHECK(config.persist);
}

TEST_CASE("a worker's own limits are told under its own name") {
    CHECK(changes("", "[worker.2]\nstop_grace = \"3s\"").applied == Keys{"worker.2.stop_grace"});
    CHECK(changes("[worker.2]\nstop_grace = \"3s\"", "").applied == Keys{"worker.2.stop_grace"});
    CHECK(changes("[worker.2]\nenvironment = { A = \"1\" }",
                  "[worker]\nstop_grace = \"3s\"\n[worker.2]\nenvironment = { A = \"1\" }")
              .applied == Keys{"worker.stop_grace", "worker.2.stop_grace"});
}

TEST_CASE("commands and environments are taken over, and named by who rolls them out") {
    Config config = config_of("");
    const ConfigChanges none =
        take_over(config, config_of("[worker]\ncommand = [\"x\"]\nenvironment = { A = \"1\" }"));
    CHECK(none.applied.empty());
    CHECK(none.needs_restart.empty());
    CHECK(config.worker.command == std::vector<std::string>{"x"});
    CHECK_FALSE(config.worker.same_process(Config{}.worker));
}
