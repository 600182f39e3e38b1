// Fuzz target: environment and arguments of the stock worker, and arguments of the supervisor. They
// may be refused. Run with -close_fd_mask=3: what they print is not of interest.
//
// Input: texts, each ended by a NUL: the variables' values, then arguments.
#include "config/options.hpp"
#include "input.hpp"
#include "options.hpp"
#include <shmipc/error.hpp>
#include <shmipc/worker.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace {

/// "-" leaves a variable unset.
void set(const char* name, const std::string& value) {
    if (value == "-") {
        unsetenv(name);
    } else {
        setenv(name, value.c_str(), 1);
    }
}

void start_worker(std::vector<std::string> arguments) {
    try {
        // No group has such a name: all that is before is read, and nothing is made.
        setenv("SHMIPC_GROUP", "no/group", 1);
        static_cast<void>(shmipc::Worker::attach_from_environment());
        std::abort();
    } catch (const shmipc::Error&) {
        unsetenv("SHMIPC_GROUP");
    }
    std::vector<char*> words;
    for (std::string& argument : arguments) {
        words.push_back(argument.data());
    }
    words.push_back(nullptr);
    static_cast<void>(
        shmipc::worker::parse_options(static_cast<int>(arguments.size()), words.data()));
}

void start_supervisor(const std::vector<std::string>& arguments) {
    using namespace shmipc::supervisor;
    std::vector<const char*> words;
    for (const std::string& argument : arguments) {
        words.push_back(argument.c_str());
    }
    std::ostringstream out;
    std::ostringstream errors;
    const CommandLine line =
        parse_command_line(static_cast<int>(words.size()), words.data(), out, errors);
    if (line.options) {
        Config config;
        for (const auto& apply : line.options->overrides) {
            apply(config);
        }
        try {
            check_config(config);
        } catch (const ConfigError&) {
            return;  // as it should: what is wrong is reported
        }
    } else if (out.str().empty() && errors.str().empty()) {
        std::abort();  // whoever is refused is told why
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    shmipc::fuzz::Input input(data, size);
    for (const char* const name :
         {"SHMIPC_WORKERS", "SHMIPC_CAPACITY", "SHMIPC_SLOTS", "SHMIPC_INDEX", "SHMIPC_LOG_LEVEL",
          "SHMIPC_LOG_FORMAT", "SHMIPC_READY_FD", "SHMIPC_READY_PIPE"}) {
        set(name, input.text());
    }
    std::vector<std::string> arguments{"program"};
    while (!input.empty()) {
        arguments.push_back(input.text());
    }
    start_worker(arguments);
    start_supervisor(arguments);
    return 0;
}
