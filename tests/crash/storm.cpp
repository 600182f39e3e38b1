#include "storm.hpp"

#include "arena.hpp"
#include "base/os.hpp"
#include "child.hpp"
#include "payload.hpp"
#include "storm_record.hpp"
#include "storm_worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

using std::chrono::microseconds;

/// For anything that nothing holds up, on a loaded machine.
constexpr std::chrono::seconds kPatience{30};
/// The instant of a kill is random within the first of these times after the last kill, now and
/// then within the second, so that some lives are long.
constexpr std::uint32_t kShortMicroseconds = 1500;
constexpr std::uint32_t kLongMicroseconds = 20'000;

volatile std::sig_atomic_t told_to_stop = 0;
void on_signal(int /*signal*/) {
    told_to_stop = 1;
}

std::uint64_t open_descriptors() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
}

/// The process that plays one worker, one life after the other.
struct Life {
    std::optional<Child> process;
    os::Fd running;  ///< readable once it runs; closed then
    bool stopped = false;
};

class Master {
  public:
    explicit Master(const StormOptions& options)
        : options_(options),
          random_(options.seed),
          records_(make_records()),
          arena_(options.workers, options.size),
          lives_(options.workers) {}

    void start_all() {
        for (std::uint32_t i = 0; i < options_.workers; ++i) {
            start(WorkerIndex{i});
        }
        for (Life& life : lives_) {
            await_running(life);
        }
    }

    /// Measures the workers as they are without a kill.
    void keep_quiet() {
        const timespec time{.tv_sec = static_cast<time_t>(options_.quiet.count()), .tv_nsec = 0};
        nanosleep(&time, nullptr);  // a signal ends it, and the storm
        // Relaxed: whoever sees it late counts a few calls as quiet ones.
        records_->storming.store(true, std::memory_order_relaxed);
    }

    /// Kills a random worker, now and then two, and restarts them. Meanwhile some are stopped.
    void strike() {
        stop_and_continue();
        const auto first = pick();
        const auto second = one_in(8) && sum_.kills + 1 < options_.kills ? pick() : first;
        // Most are let run first; some die while they attach.
        if (!one_in(6)) {
            await_running(lives_[first]);
            await_running(lives_[second]);
        }
        wait_a_moment();
        kill_one(first);
        if (second != first) {
            kill_one(second);
        }
        for (const auto index : {first, second}) {
            if (!lives_[index].process) {
                check_dead(WorkerIndex{index});
                start(WorkerIndex{index});
            }
        }
    }

    /// All leave in order.
    void stop_all() {
        for (Life& life : lives_) {
            continue_one(life);
            await_running(life);
            life.process->send(SIGTERM);
        }
        for (Life& life : lives_) {
            const auto status = life.process->reap(kPatience);
            expect(status.has_value(), "a worker does not leave");
            if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
                crashed(*status);
            }
            life.process.reset();
        }
        for (std::uint32_t i = 0; i < options_.workers; ++i) {
            check_dead(WorkerIndex{i});
        }
        sum_.leaked_pins += arena_.pins();
        arena_.remove();
        sum_.leaked_objects = arena_.objects().size();
    }

    [[nodiscard]] StormSum sum() const {
        StormSum sum = sum_;
        sum.quiet = tails(&Record::quiet);
        sum.storm = tails(&Record::storm);
        for (const Record& record : records_->of) {
            sum.published += record.published;
            sum.read += record.messages_read;
            sum.waits += record.waits;
            sum.reclaimed += record.reclaimed;
            sum.inherited += record.inherited;
            sum.torn += record.torn;
            sum.reversed += record.reversed;
            sum.lost += record.lost;
            sum.refused += record.refused;
            sum.overslept += record.overslept;
            sum.leaked_pins += record.leaked_pins;
        }
        return sum;
    }
    [[nodiscard]] std::uint64_t kills() const noexcept { return sum_.kills; }

  private:
    bool one_in(std::uint32_t n) { return random_() % n == 0; }
    std::uint32_t pick() { return static_cast<std::uint32_t>(random_() % options_.workers); }

    [[nodiscard]] Tails tails(Durations Record::*phase) const {
        constexpr double kShare = 0.999;
        const auto all = std::make_unique<Durations>();
        for (const Record& record : records_->of) {
            all->publish.add((record.*phase).publish);
            all->acquire.add((record.*phase).acquire);
        }
        return {.publish = all->publish.quantile(kShare), .acquire = all->acquire.quantile(kShare)};
    }

    /// SIGSTOP for one, wherever it is, and SIGCONT for some of those that were stopped before.
    void stop_and_continue() {
        for (Life& life : lives_) {
            if (life.stopped && one_in(4)) {
                continue_one(life);
            }
        }
        Life& life = lives_[pick()];
        if (one_in(2) && !life.stopped) {
            life.process->send(SIGSTOP);
            life.stopped = true;
            ++sum_.stops;
        }
    }
    static void continue_one(Life& life) {
        if (std::exchange(life.stopped, false)) {
            life.process->send(SIGCONT);
        }
    }

    void start(WorkerIndex index) {
        std::array<int, 2> ends{};
        os::require("cannot make a pipe", [&] { return pipe2(ends.data(), O_CLOEXEC); });
        Life& life = lives_[to_number(index)];
        life.running = os::Fd(ends[0]);
        const os::Fd its(ends[1]);
        const std::uint64_t seed = random_();
        life.process.emplace(
            [&, seed] { return storm_worker(arena_, index, *records_, its.get(), seed); });
    }

    void await_running(Life& life) {
        if (!life.running) {
            return;
        }
        continue_one(life);
        pollfd ready{.fd = life.running.get(), .events = POLLIN, .revents = 0};
        const auto patience = std::chrono::milliseconds{kPatience};
        const int polled = os::require("cannot wait for a worker", [&] {
            return poll(&ready, 1, static_cast<int>(patience.count()));
        });
        expect(polled == 1, "a worker hangs while it attaches");
        life.running.reset();
    }

    /// Short spins and short sleeps, so that the instant is as random as the work is fine.
    void wait_a_moment() {
        const microseconds delay{random_() % (one_in(5) ? kLongMicroseconds : kShortMicroseconds)};
        if (one_in(2)) {
            const timespec time{.tv_sec = 0, .tv_nsec = static_cast<long>(1000 * delay.count())};
            nanosleep(&time, nullptr);
        } else {
            const auto until = std::chrono::steady_clock::now() + delay / 8;
            while (std::chrono::steady_clock::now() < until) {
            }
        }
    }

    void kill_one(std::uint32_t index) {
        Life& life = lives_[index];
        sum_.while_attaching += life.running ? 1U : 0U;
        life.process->send(SIGKILL);
        const auto status = life.process->reap(kPatience);
        expect(status.has_value(), "a killed worker does not end");
        ++sum_.kills;
        if (!WIFSIGNALED(*status) || WTERMSIG(*status) != SIGKILL) {
            crashed(*status);
        }
        life.process.reset();
        life.running.reset();
        life.stopped = false;
    }

    /// From outside, before anybody recovers: the dead worker's latest message is whole, and the
    /// last that it published or was about to publish.
    void check_dead(WorkerIndex index) {
        const Record& record = records_->of[to_number(index)];
        try {
            arena_.expect_latest(index, record.published, record.publishing);
        } catch (const Failure& failure) {
            std::fprintf(stderr, "after a kill of worker %u: %s\n", to_number(index),
                         failure.what());
            ++(std::string(failure.what()).starts_with("torn") ? sum_.torn : sum_.lost);
        }
    }

    void crashed(int status) {
        ++sum_.crashed;
        std::fprintf(stderr, "a worker was not killed by us: %s\n",
                     describe_status(status).c_str());
    }

    StormOptions options_;
    std::mt19937_64 random_;
    SharedRecords records_;
    Arena arena_;
    std::vector<Life> lives_;  ///< by worker index; gone before the arena
    StormSum sum_;
};

}  // namespace

StormSum storm(const StormOptions& options) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    const std::uint64_t descriptors = open_descriptors();
    StormSum sum;
    {
        Master master(options);
        master.start_all();
        master.keep_quiet();
        // Harm shows at once and in masses: no need to go on for long with it.
        while (master.kills() < options.kills && told_to_stop == 0 && master.sum().harm() < 100) {
            master.strike();
        }
        master.stop_all();
        sum = master.sum();
    }
    sum.leaked_descriptors = open_descriptors() - descriptors;
    int status = 0;
    while (waitpid(-1, &status, WNOHANG) >= 0) {
        ++sum.leaked_processes;
    }
    return sum;
}

}  // namespace shmipc::crash
