#include "process_figures.hpp"

#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

namespace shmipc::bench {
namespace {

std::ifstream open(pid_t pid, const std::string& file) {
    const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
    std::ifstream stream(path);
    if (!stream) {
        throw std::runtime_error("cannot read " + path + ": the process has ended");
    }
    return stream;
}

/// The number behind `name` in a file of lines "name: number"; 0 if there is none.
std::uint64_t number_in(pid_t pid, const std::string& file, const std::string& name) {
    std::ifstream stream = open(pid, file);
    for (std::string word; stream >> word;) {
        if (word == name) {
            std::uint64_t value = 0;
            stream >> value;
            return value;
        }
        stream.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return 0;
}

}  // namespace

Memory memory_of(pid_t pid) {
    return {.resident_kib = number_in(pid, "status", "VmRSS:"),
            .proportional_kib = number_in(pid, "smaps_rollup", "Pss:"),
            .tables_kib = number_in(pid, "status", "VmPTE:")};
}

std::uint64_t sleeps_of(pid_t pid) {
    return number_in(pid, "status", "voluntary_ctxt_switches:");
}

std::chrono::nanoseconds cpu_of(pid_t pid) {
    std::ifstream stream = open(pid, "schedstat");
    std::int64_t time = 0;
    if (!(stream >> time)) {
        throw std::runtime_error("cannot read CPU times: the kernel has no schedstat");
    }
    return std::chrono::nanoseconds{time};
}

}  // namespace shmipc::bench
