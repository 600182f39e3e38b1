// Signals that nobody meant for a supervisor: whoever sends one has mistaken the process, or
// believes that it means something here. Their defaults would end it, and with it the group.
//
// They are blocked, and read: so that the log can say who sent them. The dispositions stay as they
// are, and workers get none of it (child.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <csignal>
#include <set>
#include <string>

namespace shmipc::supervisor {

/// SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGXCPU and the
/// real-time signals. Not those by which the kernel tells of a bug of ours (SIGSEGV and its like),
/// SIGABRT, by which the watchdog asks for a core, nor those that stop it (SIGTSTP, SIGTTIN).
sigset_t stray_signals() noexcept;

/// From now on none of them ends this process, nor does a write beyond a limit of file size, to a
/// pipe without a reader, or to a terminal in whose background it is (SIGXFSZ, SIGPIPE, SIGTTOU:
/// ignored, so that the write fails, or succeeds). For the start of main().
void hold_stray_signals() noexcept;

/// Says in the log that one came, once for each number.
class StraySignals {
  public:
    /// Throws Error if the system has no descriptor for it.
    explicit StraySignals(boost::asio::io_context& io);
    StraySignals(const StraySignals&) = delete;
    StraySignals& operator=(const StraySignals&) = delete;
    ~StraySignals() = default;

  private:
    void wait();
    void read();

    boost::asio::posix::stream_descriptor fd_;
    std::set<int> told_;
};

}  // namespace shmipc::supervisor
