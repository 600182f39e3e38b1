// Keeps the signal that a system call of ours may raise away from the program whose thread this is.
#pragma once

#include <cerrno>
#include <csignal>
#include <ctime>

#include <pthread.h>

namespace shmipc::detail {

/// A signal that the kernel sends to the thread itself, for what the thread does while this lives:
/// SIGXFSZ beyond RLIMIT_FSIZE, SIGPIPE without a reader. Nobody sees it; the call's errno tells.
/// The program's handlers and dispositions stay as they are, and other threads are not concerned.
class HeldSignal {
  public:
    explicit HeldSignal(int signal) noexcept {
        sigemptyset(&set_);
        sigaddset(&set_, signal);
        sigset_t pending{};
        sigpending(&pending);
        somebody_elses_ = sigismember(&pending, signal) == 1;
        pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    ~HeldSignal() {
        const int error = errno;
        const timespec now{};
        while (!somebody_elses_ && sigtimedwait(&set_, nullptr, &now) < 0 && errno == EINTR) {
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        errno = error;
    }
    HeldSignal(const HeldSignal&) = delete;
    HeldSignal& operator=(const HeldSignal&) = delete;

  private:
    sigset_t set_{};
    sigset_t before_{};
    bool somebody_elses_ = false;  ///< it waited before: then it is not ours to take
};

}  // namespace shmipc::detail
