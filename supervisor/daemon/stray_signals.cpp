#include "stray_signals.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "keeper/certificate.hpp"

#include <cstdint>

#include <sys/signalfd.h>
#include <unistd.h>

namespace shmipc::supervisor {

sigset_t stray_signals() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal :
         {SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGXCPU}) {
        ::sigaddset(&set, signal);
    }
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
        ::sigaddset(&set, signal);
    }
    return set;
}

void hold_stray_signals() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_IGN;
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGTTOU}) {
        ::sigaction(signal, &action, nullptr);
    }
    const sigset_t strays = stray_signals();
    ::sigprocmask(SIG_BLOCK, &strays, nullptr);
}

StraySignals::StraySignals(boost::asio::io_context& io) : fd_(io) {
    const sigset_t strays = stray_signals();
    fd_.assign(os::require("signalfd",
                           [&] { return ::signalfd(-1, &strays, SFD_NONBLOCK | SFD_CLOEXEC); }));
    wait();
}

void StraySignals::wait() {
    fd_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [this](const boost::system::error_code& error) {
                       if (!error) {
                           read();
                           wait();
                       }
                   });
}

void StraySignals::read() {
    // One a turn: whoever sends them without end keeps nobody from his work.
    signalfd_siginfo info{};
    const ssize_t length =
        os::retry([&] { return ::read(fd_.native_handle(), &info, sizeof(info)); });
    const int signal = static_cast<int>(info.ssi_signo);
    if (length != static_cast<ssize_t>(sizeof(info)) || !told_.insert(signal).second) {
        return;
    }
    // Below zero: sent by a process, which says who it is (kill, tgkill, sigqueue).
    const bool sent = info.ssi_code <= 0 && info.ssi_pid != 0;
    log::log(
        log::Level::kWarning, log::Event::kMessage,
        "signal " + std::to_string(signal) + " (" + name_of_signal(signal) + ")" +
            (sent ? " from process " + std::to_string(info.ssi_pid) + " of user " +
                        std::to_string(info.ssi_uid)
                  : std::string()) +
            " means nothing to a supervisor, and is ignored, now and later: SIGTERM ends the "
            "group, SIGHUP reloads its configuration, shmipcctl kill sends signals to workers");
}

}  // namespace shmipc::supervisor
