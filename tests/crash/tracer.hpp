// Tracee: a program run under ptrace(2), system call by system call or instruction by instruction,
// and killed between two of them.
//
// Of a program with several threads or children only its first thread is traced; the others run
// free. It dies with its owner's scope, and with the tracer's process. The thread that made it is
// the one that may use it, after Tracee::prepare().
#pragma once

#include "program.hpp"

#include <chrono>
#include <cstdint>
#include <functional>

#include <sys/types.h>

namespace shmipc::crash {

class Tracee {
  public:
    /// How long a program may run, or be asleep where nobody wakes it, before it counts as hung.
    static constexpr std::chrono::seconds kPatience{20};

    /// Once, before the first: makes SIGALRM, which comes every few milliseconds from then on,
    /// interrupt a wait, so that one can look whether the program sleeps, or hangs.
    static void prepare();

    /// Starts the program, which stands before its first instruction then.
    explicit Tracee(const Program& program);
    Tracee(const Tracee&) = delete;
    Tracee& operator=(const Tracee&) = delete;
    /// SIGKILL, and reaped.
    ~Tracee();

    /// Called once in a run if the program sleeps in the kernel.
    using OnSleep = std::function<void()>;

    enum class Event : std::uint8_t {
        kTrap,  ///< a SIGTRAP: of its own, or of the step
        kCall,  ///< before or after a system call
        kEnd    ///< it is no more
    };
    /// Runs until it traps by itself.
    Event run(const OnSleep& on_sleep = {});
    /// Runs until the entry or the exit of a system call; the two come in turn.
    Event run_to_call(const OnSleep& on_sleep = {});
    /// One instruction; a system call is one, and so is what remains of it at its entry.
    Event step(const OnSleep& on_sleep = {});

    /// Number of the system call at whose entry it stands; −1: it stands elsewhere.
    [[nodiscard]] long call() const;
    /// Whether its next instruction is a system call.
    [[nodiscard]] bool before_call() const;
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// SIGKILL where it stands, and reaped. Throws Failure if it had ended by itself.
    void murder();
    /// Wait status of kEnd.
    [[nodiscard]] int status() const noexcept { return status_; }

  private:
    Event resume(int request, const OnSleep& on_sleep);
    int await(const OnSleep& on_sleep) const;
    void kill_and_reap() noexcept;

    pid_t pid_ = -1;
    bool gone_ = false;
    int status_ = 0;
    int signal_ = 0;  ///< to be delivered when it goes on
};

}  // namespace shmipc::crash
