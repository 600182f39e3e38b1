#include "process_report.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

std::optional<std::uint64_t> open_files() {
    std::error_code error;
    std::filesystem::directory_iterator entry("/proc/self/fd", error);
    std::uint64_t count = 0;
    while (!error && entry != std::filesystem::directory_iterator{}) {
        ++count;
        entry.increment(error);
    }
    // One of them is the descriptor that they are counted with.
    return error || count == 0 ? std::nullopt : std::optional(count - 1);
}

std::optional<std::uint64_t> most_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return std::nullopt;
    }
    return limit.rlim_cur;
}

std::optional<std::uint64_t> resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    const long page = ::sysconf(_SC_PAGESIZE);
    if (!(file >> size >> resident) || page <= 0) {
        return std::nullopt;
    }
    return resident * static_cast<std::uint64_t>(page);
}

std::optional<std::chrono::nanoseconds> cpu_time() {
    timespec used{};
    if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) {
        return std::nullopt;
    }
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

/// Of the machine, since 1970.
std::optional<std::chrono::seconds> boot_time() {
    std::ifstream file("/proc/stat");
    std::string word;
    while (file >> word) {
        std::int64_t seconds = 0;
        if (word == "btime" && file >> seconds) {
            return std::chrono::seconds(seconds);
        }
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return std::nullopt;
}

/// Of this process, since boot; in ticks.
std::optional<std::uint64_t> start_ticks() {
    // proc(5): after the name, which may hold blanks and brackets, stand the fields from the third
    // on; the start is the 22nd.
    constexpr int kFieldsBetween = 22 - 3;
    std::ifstream file("/proc/self/stat");
    const std::string line{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) {
        return std::nullopt;
    }
    std::istringstream fields(line.substr(name_end + 1));
    std::string skipped;
    for (int i = 0; i < kFieldsBetween; ++i) {
        fields >> skipped;
    }
    std::uint64_t ticks = 0;
    return fields >> ticks ? std::optional(ticks) : std::nullopt;
}

std::optional<std::chrono::nanoseconds> start_time() {
    constexpr std::uint64_t kNanoseconds = 1'000'000'000;
    const auto boot = boot_time();
    const auto ticks = start_ticks();
    const long rate = ::sysconf(_SC_CLK_TCK);
    if (!boot || !ticks || rate <= 0) {
        return std::nullopt;
    }
    const auto per_second = static_cast<std::uint64_t>(rate);
    return *boot + std::chrono::seconds(*ticks / per_second) +
           std::chrono::nanoseconds(*ticks % per_second * kNanoseconds / per_second);
}

}  // namespace

ProcessReport process_report() {
    return {.open_files = open_files(),
            .most_open_files = most_open_files(),
            .resident_bytes = resident_bytes(),
            .cpu_time = cpu_time(),
            .start_time = start_time()};
}

}  // namespace shmipc::supervisor
