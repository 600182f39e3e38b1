// Storms on a real supervisor: all workers killed in one instant, the supervisor itself killed
// under load, and connections by the thousand; with the times of recovery, and what the supervisor
// has grown by. Ends with 1 if anything was lost, left over, or grew.
//
// The restart policy is set so that a storm can go on (no limit of restarts, none of them delayed):
// the policy itself is tested apart, in policy_test.cpp.
#include "storms.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <exception>
#include <iostream>

#include <sys/prctl.h>

int main(int argc, char** argv) {
    CLI::App app{"Storms on a supervisor: mass kills, kills of itself, connections. 0: none lost."};
    std::uint32_t workers = 16;
    std::uint32_t rounds = 1000;
    std::uint32_t supervisors = 200;
    std::uint32_t connections = 10'000;
    app.add_option("--workers", workers, "Workers of the group")
        ->check(CLI::Range(2, 1024))
        ->capture_default_str();
    app.add_option("--rounds", rounds, "Times that all of them are killed")->capture_default_str();
    app.add_option("--supervisors", supervisors, "Times that the supervisor is killed")
        ->capture_default_str();
    app.add_option("--connections", connections, "Connections to its control socket")
        ->capture_default_str();
    // What an allocator may keep for itself; a leak of each death's record would be ten times it.
    std::uint64_t growth = 2048;
    app.add_option("--growth", growth, "Most that the supervisor's memory may grow by, in KiB")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    // What a killed supervisor leaves becomes ours, to be found and reaped here.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    try {
        const bool kills = shmipc::test::storm_of_kills(workers, rounds, connections, growth);
        const bool supervised = shmipc::test::storm_of_supervisors(workers, supervisors);
        std::cout << (kills && supervised ? "nothing lost\n" : "SOMETHING IS WRONG\n");
        return kills && supervised ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "storm: " << error.what() << '\n';
        return 1;
    }
}
