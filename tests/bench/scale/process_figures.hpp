// What the kernel tells of a process in /proc.
#pragma once

#include <chrono>
#include <cstdint>

#include <sys/types.h>

namespace shmipc::bench {

struct Memory {
    std::uint64_t resident_kib = 0;
    std::uint64_t proportional_kib = 0;  ///< shared pages divided by those who share them
    std::uint64_t tables_kib = 0;        ///< page tables
};
/// Throws std::runtime_error if there is no such process, as those below.
Memory memory_of(pid_t pid);

/// Times that it went to sleep, which is once less than it woke up.
std::uint64_t sleeps_of(pid_t pid);

/// CPU time of the main thread: all that supervisors and stock workers have.
std::chrono::nanoseconds cpu_of(pid_t pid);

}  // namespace shmipc::bench
