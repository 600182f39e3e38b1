// What the tests of shmipcctl as a program share: where it looks for its supervisor, and a service
// that plays one.
#pragma once

#include "fake_service.hpp"
#include "process.hpp"

#include <boost/json/parse.hpp>

#include <string>
#include <vector>

namespace shmipc::test {

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

struct Run {
    int exit_code = -1;
    std::string output;
};

/// A directory with the socket of group "demo" in it.
struct Place {
    Scratch directory;
    std::string socket = directory.path() + "/demo.control";

    [[nodiscard]] std::vector<std::string> command(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(),
                         {SHMIPC_CTL, "--group", "demo", "--runtime-dir", directory.path()});
        return arguments;
    }
    [[nodiscard]] Run run(const std::vector<std::string>& arguments) const {
        Process process(command(arguments));
        const int exit_code = process.exit_code();
        return {exit_code, process.output()};
    }
};

/// With a supervisor that knows of three workers.
struct Demo : Place {
    FakeService service{socket};
    Demo() { service.answer("Status", status_json(3)); }
};

}  // namespace shmipc::test
