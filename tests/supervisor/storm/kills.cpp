#include "base/os.hpp"
#include "stage.hpp"
#include "storms.hpp"

#include <boost/json/value.hpp>

#include <csignal>
#include <cstdio>
#include <map>
#include <stdexcept>

#include <sys/socket.h>

namespace shmipc::test {
namespace {

using Clock = std::chrono::steady_clock;

/// Watches the workers of a stage through one stream.
class Watcher {
  public:
    explicit Watcher(const Stage& stage) : client_(stage.connect()), pids_(stage.workers(), -1) {
        client_.call_more("io.shmipc.Watch", {{"interval_usec", 3'600'000'000}});
        take();
    }

    /// Kills all, and waits until each is ready with another pid. The times it took, by worker.
    std::vector<std::chrono::nanoseconds> kill_all() {
        const std::vector<pid_t> before = pids_;
        const Clock::time_point start = Clock::now();
        for (const pid_t pid : before) {
            ::kill(pid, SIGKILL);
        }
        std::vector<std::chrono::nanoseconds> times(before.size(), std::chrono::nanoseconds{-1});
        for (std::size_t back = 0; back < before.size();) {
            take();
            for (std::size_t i = 0; i < before.size(); ++i) {
                if (times[i].count() < 0 && pids_[i] != before[i]) {
                    times[i] = Clock::now() - start;
                    ++back;
                }
            }
        }
        return times;
    }

  private:
    void take() {
        const auto reply = client_.receive(kPatience);
        if (!reply) {
            throw std::runtime_error("workers did not come back");
        }
        for (const boost::json::value& worker : reply->parameters.at("workers").as_array()) {
            if (worker.at("state").as_string() == "running") {
                pids_[static_cast<std::size_t>(worker.at("index").as_int64())] =
                    static_cast<pid_t>(worker.at("pid").as_int64());
            }
        }
    }

    varlink::Client client_;
    std::vector<pid_t> pids_;
};

void print_growth(const char* what, const Footprint& before, const Footprint& after) {
    std::printf(
        "  supervisor over %s: descriptors %zu to %zu, resident memory %llu KiB to %llu KiB\n",
        what, before.descriptors, after.descriptors,
        static_cast<unsigned long long>(before.resident_kib),
        static_cast<unsigned long long>(after.resident_kib));
}

void require_no_growth(Verdict& verdict, const Footprint& before, const Footprint& after,
                       std::uint64_t most_kib) {
    verdict.require(after.descriptors == before.descriptors, "descriptors leak");
    verdict.require(after.resident_kib <= before.resident_kib + most_kib, "memory leaks");
}

void connect_often(const Stage& stage, pid_t supervisor, std::uint32_t connections,
                   Verdict& verdict, std::uint64_t most_kib) {
    const auto connect_once = [&] {
        varlink::Client client = stage.connect();
        client.call("io.shmipc.Status");
        // Until the other end is closed too: what is counted next must not have it.
        ::shutdown(client.descriptor(), SHUT_WR);
        char byte = 0;
        if (os::retry([&] { return ::recv(client.descriptor(), &byte, 1, 0); }) > 0) {
            throw std::runtime_error("the supervisor said more than it was asked");
        }
    };
    for (std::uint32_t i = 0; i < connections / 10; ++i) {
        connect_once();  // what one has to grow to, it has grown to after these
    }
    const Footprint before = footprint_of(supervisor);
    for (std::uint32_t i = 0; i < connections; ++i) {
        connect_once();
    }
    const Footprint after = footprint_of(supervisor);
    print_growth((std::to_string(connections) + " connections").c_str(), before, after);
    require_no_growth(verdict, before, after, most_kib);
}

}  // namespace

bool storm_of_kills(std::uint32_t workers, std::uint32_t rounds, std::uint32_t connections,
                    std::uint64_t most_kib) {
    std::printf("All %u workers killed in one instant, %u times\n", workers, rounds);
    const Stage stage(workers);
    Process supervisor = stage.start_supervisor();
    stage.wait_until_ready(supervisor);
    Verdict verdict;
    std::vector<std::chrono::nanoseconds> times;
    Footprint before;
    {
        Watcher watcher(stage);
        const std::uint32_t warm_up = rounds / 10;
        for (std::uint32_t round = 0; round < rounds; ++round) {
            if (round == warm_up) {
                before = footprint_of(supervisor.pid());
            }
            for (const auto time : watcher.kill_all()) {
                times.push_back(time);
            }
        }
        const Footprint after = footprint_of(supervisor.pid());
        print_growth((std::to_string((rounds - warm_up) * workers) + " restarts").c_str(), before,
                     after);
        require_no_growth(verdict, before, after, most_kib);
    }
    varlink::Client client = stage.connect();
    const auto status = client.call("io.shmipc.Status");
    for (const boost::json::value& worker : status.at("workers").as_array()) {
        const std::string who = "worker " + std::to_string(worker.at("index").as_int64());
        verdict.require(worker.at("deaths").as_int64() == rounds, who + ": deaths seen");
        verdict.require(worker.at("restarts").as_int64() == rounds, who + ": restarts");
        verdict.require(worker.at("incarnation").as_int64() == rounds + 1, who + ": incarnation");
    }
    std::printf("  %zu deaths, each seen once and certified; from kill to ready: %s\n",
                times.size(), percentiles(times).c_str());
    connect_often(stage, supervisor.pid(), connections, verdict, most_kib);
    supervisor.signal(SIGTERM);
    verdict.require(supervisor.exit_code() == 0, "the supervisor did not stop in order");
    return verdict.good();
}

}  // namespace shmipc::test
