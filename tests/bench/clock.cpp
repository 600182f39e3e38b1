#include "clock.hpp"

#include <fstream>
#include <string>

namespace shmipc::bench {

namespace {

double calibrate() {
    using Clock = std::chrono::steady_clock;
    // Long against the 50 ns or so of a reading of both clocks.
    constexpr std::chrono::milliseconds kSpan{20};
    const Clock::time_point begin = Clock::now();
    const std::uint64_t first = ticks_before();
    Clock::time_point end = begin;
    while (end - begin < kSpan) {
        end = Clock::now();
    }
    const std::uint64_t last = ticks_before();
    return std::chrono::duration<double, std::nano>(end - begin).count() /
           static_cast<double>(last - first);
}

bool counter_is_constant() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        if (line.starts_with("flags")) {
            return line.find("constant_tsc") != std::string::npos &&
                   line.find("nonstop_tsc") != std::string::npos;
        }
    }
    return false;
}

}  // namespace

double tick_ns() {
    static const double ns = calibrate();
    return ns;
}

bool shared_between_cores() {
#if defined(__x86_64__)
    static const bool shared = counter_is_constant();
    return shared;
#else
    return true;
#endif
}

}  // namespace shmipc::bench
