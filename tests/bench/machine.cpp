#include "machine.hpp"

#include <fstream>

#include <sys/utsname.h>

namespace shmipc::bench {

namespace {

std::string cpu_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const std::size_t colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) {
            return line.substr(colon + 2);
        }
    }
    return "unknown";
}

}  // namespace

Machine this_machine(const std::vector<int>& cores) {
    Machine machine{.cpu = cpu_name(), .cores = cores, .kernel = "unknown", .compiler = {}};
    utsname names{};
    if (uname(&names) == 0) {
        machine.kernel = names.release;
    }
#if defined(__clang__)
    machine.compiler = "clang " __clang_version__;
#else
    machine.compiler = "gcc " __VERSION__;
#endif
    return machine;
}

}  // namespace shmipc::bench
