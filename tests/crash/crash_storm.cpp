// shmipc-crash-storm: kills workers under full load at random instants, by the thousand, and counts
// what that has harmed. Exit status 0 if nothing was; 1 otherwise.
#include "storm.hpp"
#include <shmipc/ids.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

namespace {

constexpr int kUsage = 64;

void print(const shmipc::crash::StormSum& sum, double seconds) {
    std::string line = "storm:";
    const auto add = [&line](const char* name, std::uint64_t count) {
        line += " " + std::string(name) + "=" + std::to_string(count);
    };
    add("kills", sum.kills);
    add("while_attaching", sum.while_attaching);
    add("stops", sum.stops);
    add("published", sum.published);
    add("read", sum.read);
    add("waits", sum.waits);
    add("reclaimed", sum.reclaimed);
    add("inherited", sum.inherited);
    add("torn", sum.torn);
    add("reversed", sum.reversed);
    add("lost", sum.lost);
    add("refused", sum.refused);
    add("overslept", sum.overslept);
    add("crashed", sum.crashed);
    add("leaked_pins", sum.leaked_pins);
    add("leaked_objects", sum.leaked_objects);
    add("leaked_descriptors", sum.leaked_descriptors);
    add("leaked_processes", sum.leaked_processes);
    std::printf("%s seconds=%.1f\n", line.c_str(), seconds);
    const auto microseconds = [](std::chrono::nanoseconds time) {
        return std::chrono::duration<double, std::micro>(time).count();
    };
    std::printf("storm: p99.9 of acquire %.1f us, without kills %.1f; of publish %.1f us, %.1f\n",
                microseconds(sum.storm.acquire), microseconds(sum.quiet.acquire),
                microseconds(sum.storm.publish), microseconds(sum.quiet.publish));
}

}  // namespace

int main(int argc, char** argv) {
    shmipc::crash::StormOptions options;
    std::uint32_t quiet = 2;
    CLI::App app("Kills the workers of a shmipc group under full load, at random instants.");
    app.add_option("--kills", options.kills, "SIGKILLs")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--workers", options.workers, "workers of the group")
        ->check(CLI::Range(2, 16))
        ->capture_default_str();
    app.add_option("--size", options.size,
                   "bytes of the longest message; each has a length of its own up to it")
        ->check(CLI::Range(shmipc::kMinCapacity, shmipc::kMaxCapacity))
        ->capture_default_str();
    app.add_option("--quiet", quiet, "seconds under load before the first kill, to compare with")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of the random choices")->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? EXIT_SUCCESS : kUsage;
    }
    options.quiet = std::chrono::seconds{quiet};
    std::printf("storm: %u workers, %llu kills, messages of 8 to %llu bytes, seed %llu\n",
                options.workers, static_cast<unsigned long long>(options.kills),
                static_cast<unsigned long long>(options.size),
                static_cast<unsigned long long>(options.seed));
    const auto begin = std::chrono::steady_clock::now();
    try {
        const shmipc::crash::StormSum sum = shmipc::crash::storm(options);
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        print(sum, time.count());
        const bool happened = sum.kills == options.kills && sum.published > 0 && sum.read > 0 &&
                              sum.waits > 0 && sum.reclaimed > 0 && sum.stops > 0;
        return happened && sum.harm() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "storm: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
