// A small process beside the supervisor, which ends at once what a supervisor that was killed has
// left: workers' main processes die by the kernel's hand, but what these have started does not.
//
// It waits, asleep, for the supervisor's end, in a session of its own; ends the processes of that
// life (former_life.hpp), and itself. After an end in order it finds nothing, since it is ended
// first. There is none below a service manager, which ends what is left of a unit itself, and none
// beside PID 1, whose end is that of all its namespace. The next supervisor looks once more, in any
// case.
#pragma once

#include <string>

#include <sys/types.h>

namespace shmipc::supervisor {

/// argv[0] of the guard: this program, executed anew.
inline constexpr const char* kGuardName = "shmipc-guard";

class Guard {
  public:
    /// `file`: the life's (LifeFile).
    Guard(std::string file, std::string life);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    /// Starts it if it does not run; tried again by the next call if the system refuses it. To be
    /// called now and then.
    void check();
    /// −1: there is none.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  private:
    void start();

    std::string file_;
    std::string life_;
    pid_t pid_ = -1;
};

/// The guard's main(). Returns an exit status.
int run_guard(int argc, char** argv) noexcept;

}  // namespace shmipc::supervisor
