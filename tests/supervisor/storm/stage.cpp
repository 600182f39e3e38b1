#include "stage.hpp"

#include "base/units.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace shmipc::test {

Stage::Stage(std::uint32_t workers) : workers_(workers) {
    // A first death is restarted at once; stable_after makes each death a first one.
    std::ofstream(scratch_.path() + "/storm.toml")
        << "workers = " << workers << "\n"
        << "[worker]\ncommand = [\"" SHMIPC_WORKER
           "\", \"--group\", \"{group}\", \"--workers\", "
           "\"{workers}\", \"--index\", \"{index}\", \"--max-interval\", \"2ms\"]\n"
        << "start_limit = \"1m\"\n"
        << "[restart]\nmax_restarts = 0\nstable_after = \"0s\"\n"
        << "[log]\nlevel = \"error\"\n";
}

Process Stage::start_supervisor() const {
    return Process({SHMIPC_SUPERVISOR, "--config", scratch_.path() + "/storm.toml", "--group",
                    group(), "--runtime-dir", scratch_.path(), "--persist"});
}

varlink::Client Stage::connect() const {
    return varlink::Client::connect(scratch_.path() + "/" + group() + ".control");
}

void Stage::wait_until_ready(Process& supervisor) const {
    // Its socket is there before it starts the first worker; before that there is nothing to ask,
    // and its end is an error.
    const std::string path = scratch_.path() + "/" + group() + ".control";
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        try {
            varlink::Client client = connect();
            client.call("io.shmipc.Start");  // the answer comes when all are ready
            return;
        } catch (const varlink::ConnectionError&) {
            if (std::chrono::steady_clock::now() > deadline) {
                throw std::runtime_error("no supervisor: " + supervisor.output());
            }
        } catch (const varlink::CallError& error) {
            throw std::runtime_error(std::string("not ready: ") + error.what());
        }
    }
}

Footprint footprint_of(pid_t pid) {
    const std::string directory = "/proc/" + std::to_string(pid);
    Footprint footprint;
    footprint.descriptors = static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory + "/fd"), {}));
    std::ifstream status(directory + "/status");
    for (std::string word; status >> word;) {
        if (word == "VmRSS:") {
            status >> footprint.resident_kib;
        }
    }
    return footprint;
}

std::string percentiles(std::vector<std::chrono::nanoseconds> times) {
    if (times.empty()) {
        return "none";
    }
    std::sort(times.begin(), times.end());
    const auto at = [&](std::size_t percent) {
        return describe_duration(times[std::min(times.size() - 1, times.size() * percent / 100)]);
    };
    return "p50 " + at(50) + ", p99 " + at(99) + ", max " + describe_duration(times.back());
}

void Verdict::require(bool holds, const std::string& what) {
    if (!holds) {
        good_ = false;
        std::printf("  WRONG: %s\n", what.c_str());
    }
}

}  // namespace shmipc::test
