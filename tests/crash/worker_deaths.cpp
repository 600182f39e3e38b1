#include "base/os.hpp"
#include "call_deaths.hpp"
#include "child.hpp"
#include "tracer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr WorkerIndex kPeer{0};
constexpr WorkerIndex kVictim{1};

/// A group of two stock workers, of which the second dies.
class WorkerDeaths {
  public:
    WorkerDeaths()
        : arena_(2, 64), null_(open("/dev/null", O_RDWR | O_CLOEXEC)), peer_(start(kPeer)) {}

    /// Entries and exits of system calls until it has published a few messages.
    std::uint32_t learn() {
        const std::uint64_t before = stock_sequence(arena_.config().name, kVictim);
        Tracee victim(program());
        std::uint32_t calls = 0;
        while (written() < before + kMessages) {
            expect(victim.run_to_call() == Tracee::Event::kCall, "the victim ended by itself");
            ++calls;
        }
        victim.murder();
        work_on(before);
        return calls;
    }

    void play(std::uint32_t calls) {
        const std::uint64_t before = stock_sequence(arena_.config().name, kVictim);
        Tracee victim(program());
        for (std::uint32_t i = 0; i < calls; ++i) {
            expect(victim.run_to_call() == Tracee::Event::kCall, "the victim ended by itself");
        }
        victim.murder();
        work_on(before);
    }

    void finish() {
        stop(*peer_.child);
        expect(arena_.pins() == 0, "leaked pin: everybody has left, and a cell is not free");
        arena_.remove();
    }

  private:
    static constexpr std::uint64_t kMessages = 3;

    struct Stock {
        std::optional<Child> child;
        os::Fd ready;
    };

    [[nodiscard]] std::vector<std::string> command(WorkerIndex index) const {
        const GroupConfig& config = arena_.config();
        return {SHMIPC_WORKER,
                "--group",
                config.name,
                "--workers",
                std::to_string(config.workers),
                "--slots",
                std::to_string(config.slots),
                "--capacity",
                std::to_string(config.capacity),
                "--index",
                std::to_string(to_number(index)),
                "--max-interval",
                "1ms"};
    }
    [[nodiscard]] Program program() const {
        return {.command = command(kVictim), .output = null_.get()};
    }

    /// A worker that nobody traces, which tells by the pipe that it is ready.
    Stock start(WorkerIndex index) {
        std::array<int, 2> ends{};
        os::require("cannot make a pipe", [&] { return pipe2(ends.data(), O_CLOEXEC); });
        os::Fd ready(ends[0]);
        const os::Fd tell(ends[1]);
        Child child([&]() -> int {
            become({.command = command(index),
                    .environment = {"SHMIPC_GROUP=" + arena_.config().name,
                                    "SHMIPC_INDEX=" + std::to_string(to_number(index)),
                                    "SHMIPC_READY_FD=" + std::to_string(tell.get()),
                                    "SHMIPC_READY_PIPE=" + os::device_and_inode(tell.get())},
                    .inherited = tell.get(),
                    .output = null_.get()});
        });
        return {.child = std::move(child), .ready = std::move(ready)};
    }

    static void stop(Child& worker) {
        worker.send(SIGTERM);
        const auto status = worker.reap(kPatience);
        expect(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0,
               "a worker does not end in order");
    }

    [[nodiscard]] std::uint64_t written() const {
        const auto vitals = arena_.group().vital_signs(kVictim);
        return vitals ? vitals->written : 0;
    }

    /// What was published is there, and a successor starts, and goes on from it.
    void work_on(std::uint64_t before) {
        const std::uint64_t left = stock_sequence(arena_.config().name, kVictim);
        expect(left >= before,
               "lost: message " + std::to_string(left) + " after " + std::to_string(before));
        const auto dead = arena_.group().vital_signs(kVictim);
        Stock successor = start(kVictim);
        char byte = 0;
        pollfd told{.fd = successor.ready.get(), .events = POLLIN, .revents = 0};
        expect(os::require("cannot wait for a worker",
                           [&] {
                               return poll(
                                   &told, 1,
                                   static_cast<int>(std::chrono::milliseconds(kPatience).count()));
                           }) == 1 &&
                   os::retry([&] { return read(successor.ready.get(), &byte, 1); }) == 1,
               "the successor does not become ready");
        stop(*successor.child);
        const auto vitals = arena_.group().vital_signs(kVictim);
        expect(dead && vitals && vitals->incarnation == dead->incarnation + 1,
               "the successor has another incarnation");
        expect(stock_sequence(arena_.config().name, kVictim) >= left,
               "lost: the successor began anew");
        expect(arena_.pins_of(kVictim) == 0, "leaked pin: the successor has left one behind");
        expect(!peer_.child->reap(std::chrono::milliseconds{0}), "the other worker has ended");
    }

    Arena arena_;
    os::Fd null_;
    Stock peer_;
};

}  // namespace

void worker_deaths(Toll& toll, std::uint32_t stride) {
    constexpr std::uint32_t kLeast = 100;
    toll.begin("the stock worker's start", Toll::Unit::kCall, kLeast);
    WorkerDeaths deaths;
    const std::uint32_t calls = std::max(deaths.learn(), deaths.learn());
    toll.places(calls + 1);
    kill_at_each(toll, calls, stride, [&](std::uint32_t place) { deaths.play(place); });
    deaths.finish();
    toll.end();
}

}  // namespace shmipc::crash
