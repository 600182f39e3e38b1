// Real processes, killed at every numbered step of the protocol.
//
// For each operation the path of steps is learnt in a round without a death; then, for each place
// on it, a fresh group plays the same round, the victim kills itself there, and its invariants are
// checked from other processes, after the death, after the restart, and at the end (stage.hpp).
// Prints a table of the deaths that were placed. Exit status 1 if any invariant was broken. Pairs
// of places are thinned out unless --full is given.
#include "scenarios.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <string_view>

namespace {

constexpr int kUsage = 64;

struct Part {
    const char* name;
    void (*play)(shmipc::crash::Table&, std::uint32_t workers, shmipc::crash::Extent);
};
constexpr Part kParts[] = {{"producer", shmipc::crash::producer_deaths},
                           {"consumer", shmipc::crash::consumer_deaths},
                           {"pairs", shmipc::crash::pair_deaths}};

struct Choice {
    std::string_view part;  ///< empty: all
    shmipc::crash::Extent extent = shmipc::crash::Extent::kQuick;
    bool valid = true;
};

Choice read_arguments(int argc, char** argv) {
    Choice choice;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const bool part = std::any_of(std::begin(kParts), std::end(kParts),
                                      [&](const Part& known) { return known.name == argument; });
        if (argument == "--full") {
            choice.extent = shmipc::crash::Extent::kFull;
        } else if (part) {
            choice.part = argument;
        } else {
            choice.valid = false;
        }
    }
    return choice;
}

}  // namespace

int main(int argc, char** argv) {
    const Choice choice = read_arguments(argc, argv);
    if (!choice.valid) {
        std::fprintf(stderr, "usage: %s [--full] [producer|consumer|pairs]\n", argv[0]);
        return kUsage;
    }
    shmipc::crash::Table table;
    try {
        for (const Part& part : kParts) {
            for (const std::uint32_t workers : {2U, 3U}) {
                if (choice.part.empty() || choice.part == part.name) {
                    part.play(table, workers, choice.extent);
                }
            }
        }
    } catch (const std::exception& error) {
        table.failed("set-up", "outside any round", error.what());
    }
    table.print();
    return table.failures() == 0 && table.deaths() > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
