#include "base/os.hpp"
#include "stage.hpp"
#include "storms.hpp"
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>

#include <boost/json/value.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>
#include <set>
#include <stdexcept>

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::test {
namespace {

std::vector<pid_t> pids_of(const Stage& stage) {
    varlink::Client client = stage.connect();
    const auto status = client.call("io.shmipc.Status");
    std::vector<pid_t> pids;
    for (const boost::json::value& worker : status.at("workers").as_array()) {
        pids.push_back(static_cast<pid_t>(worker.at("pid").as_int64()));
    }
    return pids;
}

/// Waits until the process has ended. It is no child of ours before its supervisor's end.
bool ends(const os::Fd& pidfd) {
    pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count();
    return os::retry([&] { return ::poll(&ended, 1, static_cast<int>(patience)); }) == 1;
}

/// Reaps what the supervisor's death made ours: exactly `expected`.
bool reap(std::set<pid_t> expected) {
    while (!expected.empty()) {
        const pid_t pid = *expected.begin();
        int status = 0;
        if (os::retry([&] { return ::waitpid(pid, &status, 0); }) != pid || !WIFSIGNALED(status)) {
            return false;
        }
        expected.erase(pid);
    }
    // The supervisor's guard goes by itself when it has ended what was left. A test: nobody else's.
    int status = 0;
    while (os::retry([&] { return ::waitpid(-1, &status, 0); }) > 0) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            return false;
        }
    }
    return errno == ECHILD;
}

struct Life {
    std::vector<std::uint64_t> sequences;  ///< of the last message of each worker
};

/// What the dead left: the last message of each, which must be whole and say its own number, as the
/// stock worker counts by ones and never starts again.
Life read_life(const Stage& stage, Verdict& verdict) {
    Life life;
    auto observer = Observer::open(stage.group());
    for (std::uint32_t i = 0; i < stage.workers(); ++i) {
        Observer::Message message;
        message.bytes.clear();
        const Errc outcome = observer.read(WorkerIndex{i}, message);
        std::uint64_t value = 0;
        if (outcome == Errc::kOk && message.bytes.size() == sizeof value) {
            std::memcpy(&value, message.bytes.data(), sizeof value);
        }
        // One that was killed before its first message has left none.
        verdict.require(
            (outcome == Errc::kOk || outcome == Errc::kEmpty) && value == message.info.sequence,
            "worker " + std::to_string(i) + ": message " + std::to_string(message.info.sequence) +
                " has value " + std::to_string(value));
        life.sequences.push_back(message.info.sequence);
    }
    return life;
}

}  // namespace

bool storm_of_supervisors(std::uint32_t workers, std::uint32_t rounds) {
    std::printf(
        "The supervisor of %u workers killed under load, %u times: alone, with one worker, with "
        "all\n",
        workers, rounds);
    const Stage stage(workers);
    Verdict verdict;
    const auto seed = std::random_device{}();
    std::mt19937 random(seed);
    std::vector<std::chrono::nanoseconds> times;
    Life last;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        Process supervisor = stage.start_supervisor();
        stage.wait_until_ready(supervisor);
        times.push_back(std::chrono::steady_clock::now() - start);
        const std::vector<pid_t> pids = pids_of(stage);
        std::vector<os::Fd> ends_of;
        ends_of.reserve(pids.size());
        for (const pid_t pid : pids) {
            ends_of.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        }
        {
            // Some way into the work: as long as it takes one worker to publish so many messages.
            const Group group = Group::open(stage.group());
            const std::uint64_t wanted = group.vital_signs(WorkerIndex{0})->written + random() % 20;
            varlink::Client client = stage.connect();
            client.call_more("io.shmipc.Watch", {{"interval_usec", 100'000}});
            while (group.vital_signs(WorkerIndex{0})->written < wanted) {
                client.receive(kPatience);
            }
        }
        // By turns alone, with one of its workers, and with all of them: it is stopped first, so
        // that it cannot see their deaths.
        const std::size_t with = round % 3 == 0 ? 0 : round % 3 == 1 ? 1 : pids.size();
        if (with > 0) {
            supervisor.signal(SIGSTOP);
        }
        for (std::size_t i = 0; i < with; ++i) {
            ::kill(pids[(round / 3 + i) % pids.size()], SIGKILL);
        }
        supervisor.signal(SIGKILL);
        supervisor.wait();
        for (const os::Fd& end : ends_of) {
            verdict.require(ends(end), "an orphan lives on");
        }
        verdict.require(reap({pids.begin(), pids.end()}), "somebody else was left over");
        const Life life = read_life(stage, verdict);
        for (std::uint32_t i = 0; i < workers && round > 0; ++i) {
            verdict.require(life.sequences[i] >= last.sequences[i],
                            "worker " + std::to_string(i) + " went back");
        }
        const auto vitals = Group::open(stage.group()).vital_signs(WorkerIndex{0});
        verdict.require(vitals && vitals->incarnation == round + 1, "not the same objects");
        last = life;
    }
    std::printf(
        "  seed %u; no orphan, no zombie, %llu messages of worker 0, none lost\n"
        "  from the supervisor's start to all ready: %s\n",
        seed, static_cast<unsigned long long>(last.sequences.empty() ? 0 : last.sequences[0]),
        percentiles(times).c_str());
    return verdict.good();
}

}  // namespace shmipc::test
