// The clock of the measurements: a counter that is read in user space in a few nanoseconds, the
// same in all processes of the machine where shared_between_cores() says so.
//
// CLOCK_MONOTONIC costs more than most of what is measured here, and its reading would stand in
// every latency; the counter that it is made from does not.
#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace shmipc::bench {

/// Now, in ticks. After everything before it in program order has been done, so that it can open an
/// interval.
inline std::uint64_t ticks_before() noexcept {
#if defined(__x86_64__)
    _mm_lfence();
    return __rdtsc();
#elif defined(__aarch64__)
    std::uint64_t now = 0;
    asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(now) : : "memory");
    return now;
#else
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// The same, and nothing after it begins earlier, so that it can close an interval.
inline std::uint64_t ticks_after() noexcept {
#if defined(__x86_64__)
    unsigned int core = 0;
    const std::uint64_t now = __rdtscp(&core);
    _mm_lfence();
    return now;
#else
    return ticks_before();
#endif
}

/// Nanoseconds of a tick: measured once, against std::chrono::steady_clock, before the first fork.
double tick_ns();

/// Whether ticks of different cores may be compared: on x86-64 where the kernel calls the counter
/// constant and nonstop; on aarch64 always. Elsewhere ticks are CLOCK_MONOTONIC, and comparable.
bool shared_between_cores();

inline std::uint64_t ticks_of(std::chrono::nanoseconds time) {
    return static_cast<std::uint64_t>(static_cast<double>(time.count()) / tick_ns());
}

}  // namespace shmipc::bench
