#include "process_sight.hpp"

#include "base/units.hpp"
#include "proc_text.hpp"
#include "shared/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// Value of "Name:\tvalue"; 0 if it is missing.
std::uint64_t status_number(std::string_view status, std::string_view name) {
    const std::size_t at = status.find(name);
    if (at == std::string_view::npos) {
        return 0;
    }
    std::string_view rest = status.substr(at + name.size());
    rest = rest.substr(0, rest.find('\n'));
    const std::size_t digit = rest.find_first_of("0123456789");
    return digit == std::string_view::npos
               ? 0
               : parse_number(rest.substr(digit), UINT64_MAX).value_or(0);
}

}  // namespace

std::optional<ProcessSight> parse_sight(std::string_view stat, std::string_view status,
                                        long ticks) {
    constexpr int kState = 3;
    constexpr int kUserTime = 14;
    constexpr int kSystemTime = 15;
    constexpr std::uint64_t kMostTicks = UINT64_MAX / 2;
    const std::string_view state = stat_field(stat, kState);
    const auto user = parse_number(stat_field(stat, kUserTime), kMostTicks);
    const auto system = parse_number(stat_field(stat, kSystemTime), kMostTicks);
    if (state.size() != 1 || !user || !system || ticks <= 0) {
        return std::nullopt;
    }
    ProcessSight sight;
    sight.state = state.front();
    sight.cpu = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(
        static_cast<double>(*user + *system) / static_cast<double>(ticks)));
    sight.tracer = static_cast<pid_t>(status_number(status, "\nTracerPid:"));
    sight.core_dumping = status_number(status, "\nCoreDumping:") != 0;
    return sight;
}

std::optional<ProcessSight> look_at(pid_t pid) {
    const auto stat = read_proc(pid, "stat");
    const auto status = read_proc(pid, "status");
    return stat && status ? parse_sight(*stat, *status, ::sysconf(_SC_CLK_TCK)) : std::nullopt;
}

std::string describe_hindrance(const ProcessSight& sight) {
    if (sight.tracer != 0) {
        return "is traced by pid " + std::to_string(sight.tracer);
    }
    return sight.state == 'T' ? "is stopped by a signal (SIGSTOP or the like)" : "";
}

std::vector<pid_t> family_of(pid_t pid, std::size_t most) {
    std::vector<pid_t> family{pid};
    for (std::size_t i = 0; i < family.size() && family.size() < most; ++i) {
        const std::string parent = std::to_string(family[i]);
        // Of the first thread, which is the only one that forks in most programs.
        const auto children = read_proc(family[i], ("task/" + parent + "/children").c_str());
        std::string_view rest = children ? std::string_view(*children) : std::string_view{};
        while (!rest.empty() && family.size() < most) {
            const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
            if (const auto child = parse_number(rest.substr(0, end), INT32_MAX)) {
                family.push_back(static_cast<pid_t>(*child));
            }
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    return family;
}

std::string describe_silence(const ProcessSight& sight, std::chrono::nanoseconds cpu,
                             std::chrono::nanoseconds silence) {
    if (sight.tracer != 0) {
        return "is traced by pid " + std::to_string(sight.tracer);
    }
    switch (sight.state) {
        case 'T':
            return describe_hindrance(sight);
        case 'D':
            return "is in an uninterruptible system call";
        default:
            break;
    }
    // Half of one CPU: one that waits for something else in a loop uses less.
    if (cpu * 2 >= silence) {
        return "spins: it has used " + describe_duration(cpu) + " of CPU time meanwhile";
    }
    return sight.state == 'R' ? "is slow: it wants to run, and got little CPU time"
                              : "sleeps, and not in one of the library's waits";
}

}  // namespace shmipc::supervisor
