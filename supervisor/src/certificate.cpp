#include "certificate.hpp"

#include <cstddef>
#include <cstring>
#include <string_view>

#include <shmipc/units.hpp>

#include <sys/wait.h>

namespace shmipc::supervisor {
namespace {

/// Beyond this many only the count is told: a line has an end.
constexpr std::size_t kMostHeldTold = 8;

std::string name_of_signal(int signal) {
    const char* const name = ::sigabbrev_np(signal);
    return name != nullptr ? name : "RT" + std::to_string(signal);
}

/// As systemd names them in the journal's EXIT_CODE.
std::string_view exit_code_field(const Certificate& certificate) noexcept {
    if (!certificate.status) {
        return "unknown";
    }
    if (WIFSIGNALED(*certificate.status)) {
        return WCOREDUMP(*certificate.status) ? "dumped" : "killed";
    }
    return "exited";
}

int exit_status_field(const Certificate& certificate) noexcept {
    if (!certificate.status) {
        return -1;
    }
    return WIFSIGNALED(*certificate.status) ? WTERMSIG(*certificate.status)
                                            : WEXITSTATUS(*certificate.status);
}

std::string held_text(const std::vector<HeldMessage>& held) {
    if (held.empty()) {
        return {};
    }
    std::string text = held.size() == 1 ? "; it held message" : "; it held messages";
    for (std::size_t i = 0; i < held.size() && i < kMostHeldTold; ++i) {
        text += (i == 0 ? " " : ", ") + std::to_string(held[i].sequence) + " of worker " +
                std::to_string(to_number(held[i].channel));
    }
    return held.size() <= kMostHeldTold
               ? text
               : text + " and " + std::to_string(held.size() - kMostHeldTold) + " more";
}

std::int64_t microseconds(std::chrono::nanoseconds duration) noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

std::string how_it_ended(const Certificate& certificate) {
    if (certificate.pid < 0) {
        return "could not be started";
    }
    if (!certificate.status) {
        return "ended, and another process took its exit status";
    }
    const int status = *certificate.status;
    if (WIFSIGNALED(status)) {
        return "was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
               name_of_signal(WTERMSIG(status)) + ")" + (WCOREDUMP(status) ? ", core dumped," : "");
    }
    return "exited with status " + std::to_string(WEXITSTATUS(status));
}

std::string obituary(const Certificate& certificate, const std::string& consequence) {
    const bool lived = certificate.pid >= 0;
    return "worker " + std::to_string(to_number(certificate.worker)) +
           (lived ? " (pid " + std::to_string(certificate.pid) + ") " : " ") +
           how_it_ended(certificate) +
           (lived ? " after " + describe_duration(certificate.uptime) : "") +
           held_text(certificate.held) + "; " + consequence;
}

void log_certificate(const Certificate& certificate, log::Level level,
                     const std::string& consequence, std::chrono::nanoseconds backoff) {
    log::log(level, log::Event::kWorkerExited, obituary(certificate, consequence),
             {{"EXIT_CODE", exit_code_field(certificate)},
              {"EXIT_STATUS", exit_status_field(certificate)},
              {"SHMIPC_WORKER", to_number(certificate.worker)},
              {"SHMIPC_WORKER_PID", certificate.pid},
              {"SHMIPC_INCARNATION", certificate.incarnation},
              {"SHMIPC_UPTIME_USEC", microseconds(certificate.uptime)},
              {"SHMIPC_RESTARTS", certificate.restarts},
              {"SHMIPC_BACKOFF_USEC", microseconds(backoff)},
              {"SHMIPC_SEQUENCE", certificate.sequence},
              {"SHMIPC_PINS_HELD", certificate.held.size()}});
}

}  // namespace shmipc::supervisor
