// The processes of a measurement: forked, pinned to a core, watched up to a deadline, never left
// behind; and the memory in which they meet and leave their results.
#pragma once

#include "base/os.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::bench {

/// SIGINT or SIGTERM came: thrown through everything, so that all that was made is removed.
struct Interrupted : std::runtime_error {
    explicit Interrupted(int signal);
    int signal;
};

/// Takes SIGINT and SIGTERM out of their normal way, as something that can be waited for.
class Signals {
  public:
    Signals();
    /// Throws Interrupted if one is there.
    void check() const;
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

  private:
    os::Fd descriptor_;
};

inline constexpr int kAnyCore = -1;
inline constexpr std::size_t kMaxProcesses = 1026;
inline constexpr std::size_t kMaxSamples = std::size_t{1} << 16U;
inline constexpr std::size_t kLine = 64;

/// What the processes of one measurement share, all zero at the beginning. Every word has a line of
/// its own, as far as it is used while something is measured.
struct Board {
    alignas(kLine) std::atomic<std::uint32_t> arrived;  ///< meet()
    alignas(kLine) std::atomic<std::uint32_t> ready;    ///< readers that have seen a first message
    alignas(kLine) std::atomic<std::uint32_t> stop;     ///< 1: the measurement is over. A futex
    alignas(kLine) std::atomic<std::uint64_t> line;     ///< what ping-pong is played with
    alignas(kLine) std::atomic<std::uint64_t> acknowledged;
    alignas(kLine) std::atomic<std::uint32_t> asleep;  ///< pid of the reader about to sleep
    alignas(kLine) std::atomic<std::uint32_t> pinned;  ///< readers that hold a message. A futex
    alignas(kLine) std::array<std::atomic<std::uint32_t>, kMaxProcesses> turns;  ///< futexes

    // Results. Each written by one process, read when all have ended.
    alignas(kLine) std::array<double, 8> values;
    std::atomic<std::uint32_t> failed;  ///< 1: `reason` is taken, by the first that fails
    std::array<char, 240> reason;
    std::array<std::uint32_t, 2> sample_counts;
    std::array<std::array<double, kMaxSamples>, 2> samples;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

/// Owns a Board in memory that forked children share.
class SharedBoard {
  public:
    SharedBoard();
    ~SharedBoard();
    SharedBoard(const SharedBoard&) = delete;
    SharedBoard& operator=(const SharedBoard&) = delete;
    Board& operator*() const noexcept { return *board_; }
    Board* operator->() const noexcept { return board_; }

  private:
    Board* board_;
};

/// Waits for `count` processes to call it; for the beginning, where some of them start later.
void meet(Board& board, std::uint32_t count);
void keep_samples(Board& board, std::size_t of, std::span<const double> samples);
std::vector<double> kept_samples(const Board& board, std::size_t of);

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected);
void futex_wake_all(std::atomic<std::uint32_t>& word);

/// Pins the calling process; does nothing for kAnyCore.
void pin_to(int core);

/// A child process that runs a function. Killed and reaped by the destructor; killed by the kernel
/// with `on_parent_death` if this process dies.
class Child {
  public:
    Child(const std::function<void()>& body, int on_parent_death);
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// Readable when the child has ended.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
    /// Reaps a child that has ended. Status as waitpid(2) tells it.
    int reap();
    /// Asks it to end, and waits for that; false when the time is over.
    bool terminate(std::chrono::milliseconds patience);

  private:
    pid_t parent_;
    pid_t pid_;
    os::Fd descriptor_;
};

struct Job {
    int core = kAnyCore;
    std::function<void()> body;
};

/// Runs the jobs, each in a process, until all have ended. Empty, or why they failed: what one
/// threw, what it died of, or that the time was over; the others are killed then. Throws
/// Interrupted.
std::string run_jobs(const Signals& signals, Board& board, const std::vector<Job>& jobs,
                     std::chrono::seconds patience);

}  // namespace shmipc::bench
