// shmipc-bench: measures shmipc, other ways to hand over the latest message, and the machine's own
// primitives, in one run. Exit status 0, also where a target is missed; 1 if a message of shmipc
// was torn or reversed, or something else went wrong; 64 for wrong usage; 128 + the signal's
// number.
#include "clock.hpp"
#include "json_output.hpp"
#include "placement.hpp"
#include "report.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace {

using namespace shmipc::bench;

constexpr int kUsage = 64;
constexpr int kSignalled = 128;

struct Options {
    RunOptions run;
    bool list = false;
    bool quick = false;
    bool taste = false;
    std::string json;
    std::string cores;
};

void describe(CLI::App& app, Options& options) {
    std::vector<std::string> workloads;
    workloads.reserve(kWorkloads.size());
    for (const WorkloadText& text : kWorkloads) {
        workloads.emplace_back(text.name);
    }
    std::vector<std::string> peers;
    for (const PeerEntry& peer : all_peers()) {
        peers.emplace_back(peer.name);
    }
    app.add_flag("--quick", options.quick,
                 "all workloads with fewer points and repeats: a minute or so instead of ten");
    app.add_flag("--taste", options.taste, "a few points, once: whether it works at all")
        ->group("");
    app.add_option("--workload", options.run.what.workloads, "only this one; may be repeated")
        ->check(CLI::IsMember(workloads))
        ->allow_extra_args(false);
    app.add_option("--peer", options.run.what.peers, "only this one; may be repeated")
        ->check(CLI::IsMember(peers))
        ->allow_extra_args(false);
    app.add_option("--bytes", options.run.what.bytes, "only messages of this size; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--consumers", options.run.what.consumers,
                   "only this number of consumers; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--cpus", options.cores,
                   "A,B: the two cores to use; by default the first two that are allowed")
        ->check([](const std::string& text) {
            return parse_cores(text) ? std::string() : "'" + text + "' is not two allowed cores";
        });
    app.add_option("--json", options.json, "write the results to this file too")->type_name("FILE");
    app.add_flag("--list", options.list, "print the points and what the workloads are, and exit");
    app.footer(
        "X is one uncontended locked exchange, P the round trip of one cache line between the two\n"
        "cores; both are measured in the same run. A virtual machine's cores may be moved apart: P "
        "is\nprobed before each point that uses two, and repeats on far cores are left out.\n\n"
        "Exit status: 0, also if a target is missed; 1 if a message of shmipc was torn or came in\n"
        "reversed order, or the run failed; 64 wrong usage.");
}

std::vector<int> cores_for(const Options& options) {
    if (const auto chosen = parse_cores(options.cores)) {
        return {chosen->first, chosen->second};
    }
    std::vector<int> cores = allowed_cores();
    cores.resize(std::min<std::size_t>(cores.size(), 2));
    return cores;
}

int measure(const Options& options) {
    const Signals signals;
    try {
        tick_ns();  // before the first fork, so that all processes have the same
        const RunResult result = run(signals, options.run);
        const std::vector<Target> targets = judge(result);
        print_report(stdout, result, targets);
        if (!options.json.empty()) {
            write_json(options.json, result, targets);
        }
        return harmed(result) ? EXIT_FAILURE : EXIT_SUCCESS;
    } catch (const Interrupted& interrupted) {
        std::fprintf(stderr, "shmipc-bench: %s\n", interrupted.what());
        return kSignalled + interrupted.signal;
    }
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Measures shmipc and other ways to hand over the latest message.", "shmipc-bench");
    describe(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? EXIT_SUCCESS : kUsage;
    }
    options.run.what.extent = options.taste   ? Extent::kTaste
                              : options.quick ? Extent::kQuick
                                              : Extent::kFull;
    try {
        if (options.list) {
            const std::vector<PeerEntry> peers = all_peers();
            print_points(stdout, peers, select_points(peers, options.run.what));
            return EXIT_SUCCESS;
        }
        options.run.cores = cores_for(options);
        return measure(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "shmipc-bench: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
