// The bash completion, as bash runs it.
#include "process.hpp"
#include <shmipc/group.hpp>

#include <doctest/doctest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

using shmipc::test::Process;
using shmipc::test::TestGroup;

namespace {

/// What is offered when Tab is pressed at the end of `words`.
std::set<std::string> completions(const std::vector<std::string>& words) {
    std::vector<std::string> command{
        "/bin/bash",
        "--norc",
        "--noprofile",
        "-c",
        "set -u; file=$1; shift; source \"$file\" || exit 1\n"
        "complete -p shmipcctl | grep -q -- '-F _shmipcctl' || exit 2\n"
        "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n"
        "_shmipcctl shmipcctl \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"\n"
        "for word in ${COMPREPLY[@]+\"${COMPREPLY[@]}\"}; do echo \"$word\"; done",
        "bash",
        SHMIPC_COMPLETION,
        "shmipcctl"};
    command.insert(command.end(), words.begin(), words.end());
    Process bash(command);
    CHECK(bash.exit_code() == 0);
    std::istringstream lines(bash.output());
    std::set<std::string> offered;
    for (std::string line; std::getline(lines, line);) {
        offered.insert(line);
    }
    return offered;
}

using Words = std::set<std::string>;

}  // namespace

TEST_CASE("commands are completed, before and after common options") {
    CHECK(completions({"sta"}) == Words{"start", "status"});
    CHECK(completions({"--color", "never", "log"}) == Words{"log-level"});
    CHECK(completions({""}).size() == 16);
    CHECK(completions({"--color", ""}) == Words{"always", "auto", "never"});
    CHECK(completions({"--so"}) == Words{"--socket"});
}

TEST_CASE("an option and its value may be joined by '=', in one word or as bash cuts it") {
    CHECK(completions({"--color", "=", "ne"}) == Words{"never"});
    CHECK(completions({"--color", "="}) == Words{"always", "auto", "never"});
    CHECK(completions({"--color", "=", "never", "log"}) == Words{"log-level"});
    CHECK(completions({"--color=never", "log"}) == Words{"log-level"});
    CHECK(completions({"kill", "1", "--signal", "=", "US"}) == Words{"USR1", "USR2"});
    const TestGroup group;
    const auto made = shmipc::Group::create_or_open({.name = group.name(), .workers = 2});
    CHECK(completions({"--group", "=", group.name(), "stop", ""}) == Words{"0", "1", "all"});
    CHECK(completions({"--group=" + group.name(), "stop", ""}) == Words{"0", "1", "all"});
}

TEST_CASE("sockets are files, runtime directories are directories") {
    CHECK(completions({"--socket", "/etc/pass"}).count("/etc/passwd") == 1);
    CHECK(completions({"--runtime-dir", "/etc/pass"}).count("/etc/passwd") == 0);
    CHECK(completions({"--runtime-dir", "/us"}) == Words{"/usr"});
}

TEST_CASE("options, signals and levels are those of the command") {
    CHECK(completions({"start", "1", "--n"}) == Words{"--no-wait"});
    CHECK(completions({"status", "--n"}).empty());
    CHECK(completions({"kill", "--signal", "US"}) == Words{"USR1", "USR2"});
    CHECK(completions({"kill", "1", "-s", "SIGKI"}) == Words{"SIGKILL"});
    CHECK(completions({"log-level", ""}) == Words{"debug", "error", "info", "warning"});
    CHECK(completions({"log-level", "debug", ""}).empty());
    CHECK(completions({"metrics", "--j"}).empty());
    CHECK(completions({"watch", "--j"}) == Words{"--json"});
    CHECK(completions({"watch", "--in"}) == Words{"--interval"});
    CHECK(completions({"status", "--c"}) == Words{"--check", "--color"});
    CHECK(completions({"wait", "--r"}) == Words{"--ready", "--runtime-dir"});
    CHECK(completions({"wait", "--timeout", "3"}) == Words{"30s"});
    CHECK(completions({"wait", "--timeout", "30s", "al"}) == Words{"all"});
}

TEST_CASE("groups and workers are those whose objects are there") {
    const TestGroup group;
    const auto made = shmipc::Group::create_or_open({.name = group.name(), .workers = 3});
    CHECK(completions({"--group", group.name().substr(0, group.name().size() - 1)})
              .count(group.name()) == 1);
    CHECK(completions({"--group", group.name(), "stop", ""}) == Words{"0", "1", "2", "all"});
    CHECK(completions({"-g", group.name(), "stop", "0,"}) == Words{"0,1", "0,2"});
    CHECK(completions({"--group", group.name(), "stop", "0-"}) == Words{"0-1", "0-2"});
    CHECK(completions({"--group", group.name(), "stop", "1-"}) == Words{"1-2"});
    CHECK(completions({"stop", "--group", group.name(), "a"}) == Words{"all"});
    CHECK(completions({"--group", group.name(), "stop", "1", ""}).empty());
    CHECK(completions({"--group", "no-such-group", "stop", ""}) == Words{"all"});
}
