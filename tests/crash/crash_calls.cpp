// The stock worker and the supervisor, killed at the entry and at the exit of every system call:
// of their start, and of the supervisor's reaping of a dead worker and spawning of the next.
//
// After each death others look at what is left, a successor is started, and must get on: to its
// readiness, with what was published before, and to an end in order. Of the supervisor the process
// itself is traced, and not what it starts. Prints a line for each operation. Exit status 1 if any
// invariant was broken.
#include "call_deaths.hpp"
#include "tracer.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <sys/prctl.h>

int main(int argc, char** argv) {
    using namespace shmipc::crash;
    constexpr int kUsage = 64;
    const bool full = argc == 2 && std::strcmp(argv[1], "--full") == 0;
    if (argc > 1 && !full) {
        std::fprintf(stderr, "usage: %s [--full]\n", argv[0]);
        return kUsage;
    }
    const std::uint32_t stride = full ? 1 : 11;
    Toll toll;
    try {
        Tracee::prepare();
        catch_signals();
        // What a killed supervisor leaves becomes ours, to be found and reaped here.
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        worker_deaths(toll, full ? 1 : 3);
        supervisor_deaths(toll, stride);
    } catch (const Interrupted&) {
        std::fprintf(stderr, "interrupted\n");
        return EXIT_FAILURE;
    } catch (const std::exception& error) {
        toll.failed("outside any round", error.what());
    }
    toll.print_sum();
    return toll.harm() == 0 && toll.deaths() > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
