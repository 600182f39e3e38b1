#include "config/config_warnings.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace shmipc::supervisor;

namespace {

std::vector<std::string> warnings(const std::string& toml) {
    const Config config = read_config(toml, "x.toml");
    check_config(config);
    return warnings_of(config);
}

}  // namespace

TEST_CASE("what is usual gives no warning") {
    for (const auto* toml : {
             "",
             "[worker]\ncommand = [\"own\", \"{index}\"]\n",
             "[worker.1]\nstop_grace = \"1s\"\n",
             "[worker]\ncommand = [\"own\"]\n[worker.1]\ncommand = [\"other\"]\n",
             "[worker.0]\ncommand = [\"a\"]\n[worker.1]\ncommand = [\"b\"]\n[worker.2]\ncommand = "
             "[\"c\"]\n",
             // Who names the stock worker means it.
             "[worker]\ncommand = [\"shmipc-worker\", \"--group\", \"{group}\", \"--workers\", "
             "\"{workers}\", \"--index\", \"{index}\"]\n[worker.1]\ncommand = [\"own\"]\n",
             "[worker]\ncommand = [\"sh\", \"-c\", \"f(){ echo ${id}; }; awk '{print}'\"]\n",
             "[worker]\nenvironment = { A = \"${index}\" }\n",
         }) {
        CAPTURE(toml);
        CHECK(warnings(toml).empty());
    }
}

TEST_CASE("a worker that nobody gave a command in a group of other programs is named") {
    const auto two = warnings("[worker.0]\ncommand = [\"a\"]\n[worker.2]\ncommand = [\"b\"]\n");
    REQUIRE(two.size() == 1);
    CHECK(two.front() ==
          "x.toml:2:11: nobody gave worker 1 a command: it runs the stock shmipc-worker, unlike "
          "workers 0, 2; set command in [worker.1], or in [worker] for all that have none, or "
          "lower 'workers', which is 3");
    const auto one = warnings("[worker.1]\ncommand = [\"a\"]\n[worker.2]\nstop_grace = \"1s\"\n");
    REQUIRE(one.size() == 1);
    CHECK(one.front().find("nobody gave workers 0, 2 a command: they run the stock") !=
          std::string::npos);
    CHECK(warnings("workers = 1024\n[worker.1]\ncommand = [\"a\"]\n").front().size() < 600);
}

TEST_CASE("names in braces that stand for nothing are told, each table once") {
    const auto found = warnings(
        "[worker]\ncommand = [\"a\", \"{id}\", \"{n}\"]\n"
        "environment = { A = \"x-{index}\" }\n[worker.1]\nstop_grace = \"1s\"\n");
    REQUIRE(found.size() == 2);
    CHECK(found[0] ==
          "x.toml:2:11: 'worker.command' has {id}, which stands for nothing and is handed on as "
          "it is: expected {group}, {workers} or {index}, or {{id}} for what is another program's");
    CHECK(found[1].find("x.toml:3:15: 'worker.environment' has a placeholder in A") == 0);
    std::string many = "workers = 1024\n[worker]\ncommand = [\"a\"]\n";
    for (int i = 0; i < 1000; ++i) {
        many += "[worker." + std::to_string(i) + "]\ncommand = [\"{id}\"]\n";
    }
    CHECK(warnings(many).size() == 8);
}
