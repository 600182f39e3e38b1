#include "certificate.hpp"

#include "base/log_relay.hpp"
#include "base/units.hpp"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <sys/wait.h>

namespace shmipc::supervisor {
namespace {

/// Beyond this many only the count is told: a line has an end.
constexpr std::size_t kMostHeldTold = 8;
/// Of the last line of its output, in bytes.
constexpr std::size_t kMostOutputTold = 120;

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

std::string held_text(const Certificate& certificate) {
    const std::vector<HeldMessage>& held = certificate.held;
    const std::uint64_t all = held.size() + certificate.held_left_out;
    if (held.empty()) {
        return {};
    }
    std::string text = held.size() == 1 ? "; it held message" : "; it held messages";
    for (std::size_t i = 0; i < held.size() && i < kMostHeldTold; ++i) {
        text += (i == 0 ? " " : ", ") + std::to_string(held[i].sequence) + " of worker " +
                std::to_string(to_number(held[i].channel));
    }
    return all <= kMostHeldTold ? text
                                : text + " and " + std::to_string(all - kMostHeldTold) + " more";
}

std::string output_text(const std::vector<std::string>& lines) {
    return lines.empty()
               ? ""
               : " (last output: \"" + log::printable(lines.back(), kMostOutputTold) + "\")";
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += (text.empty() ? "" : "\n") + line;
    }
    return text;
}

std::int64_t microseconds(std::chrono::nanoseconds duration) noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

void note_held(Certificate& certificate, const std::vector<HeldMessage>& held) {
    const std::size_t kept = std::min(held.size(), kMostHeldKept);
    certificate.held.assign(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(kept));
    certificate.held_left_out = held.size() - kept;
}

DeathKind kind_of(const Certificate& certificate) noexcept {
    if (certificate.pid < 0 || !certificate.executed) {
        return DeathKind::kNotStarted;
    }
    if (!certificate.status) {
        return DeathKind::kUnknown;
    }
    if (!WIFSIGNALED(*certificate.status)) {
        return DeathKind::kExited;
    }
    if (certificate.out_of_memory) {
        return DeathKind::kOutOfMemory;
    }
    return WCOREDUMP(*certificate.status) ? DeathKind::kDumped : DeathKind::kKilled;
}

std::string_view name_of(DeathKind kind) noexcept {
    switch (kind) {
        case DeathKind::kExited:
            return "exited";
        case DeathKind::kKilled:
            return "killed";
        case DeathKind::kDumped:
            return "dumped";
        case DeathKind::kOutOfMemory:
            return "out_of_memory";
        case DeathKind::kNotStarted:
            return "not_started";
        case DeathKind::kUnknown:
            return "unknown";
    }
    return "?";
}

std::optional<int> status_of(const Certificate& certificate) noexcept {
    if (!certificate.status || !certificate.executed) {
        return std::nullopt;
    }
    return WIFSIGNALED(*certificate.status) ? WTERMSIG(*certificate.status)
                                            : WEXITSTATUS(*certificate.status);
}

std::string name_of_signal(int signal) {
    const char* const name = ::sigabbrev_np(signal);
    return name != nullptr ? name : "RT" + std::to_string(signal);
}

std::string how_it_ended(const Certificate& certificate) {
    if (certificate.pid < 0) {
        return "could not be started";
    }
    if (!certificate.executed) {
        return "could not be executed";
    }
    if (!certificate.status) {
        return "ended, and another process took its exit status";
    }
    const int status = *certificate.status;
    if (WIFSIGNALED(status)) {
        return "was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
               name_of_signal(WTERMSIG(status)) + ")" +
               (WCOREDUMP(status) ? ", core dumped," : "") +
               (certificate.out_of_memory ? ", since memory had run out," : "");
    }
    return "exited with status " + std::to_string(WEXITSTATUS(status));
}

bool obeyed(const std::optional<int>& status) noexcept {
    if (!status || !WIFSIGNALED(*status)) {
        return true;
    }
    switch (WTERMSIG(*status)) {
        case SIGTERM:
        case SIGKILL:  // after the grace time, or by order
        case SIGINT:   // of the terminal, which told the supervisor too
        case SIGHUP:
            return true;
        default:
            return false;
    }
}

std::string obituary(const Certificate& certificate) {
    const bool lived = certificate.pid >= 0;
    return "worker " + std::to_string(to_number(certificate.worker)) +
           (lived ? " (pid " + std::to_string(certificate.pid) + ") " : " ") +
           how_it_ended(certificate) +
           (lived ? " after " + describe_duration(certificate.uptime) : "") +
           (certificate.cause.empty() ? "" : " (" + certificate.cause + ")") +
           output_text(certificate.last_output) + held_text(certificate) + "; " +
           certificate.consequence;
}

void log_certificate(const Certificate& certificate, log::Level level,
                     std::chrono::nanoseconds backoff) {
    log::log(level, log::Event::kWorkerExited, obituary(certificate),
             {{"EXIT_CODE", exit_code_field(certificate)},
              {"EXIT_STATUS", status_of(certificate).value_or(-1)},
              {"SHMIPC_WORKER", to_number(certificate.worker)},
              {"SHMIPC_WORKER_PID", certificate.pid},
              {"SHMIPC_INCARNATION", certificate.incarnation},
              {"SHMIPC_UPTIME_USEC", microseconds(certificate.uptime)},
              {"SHMIPC_RESTARTS", certificate.restarts},
              {"SHMIPC_ORDERED", certificate.ordered ? 1 : 0},
              {"SHMIPC_BACKOFF_USEC", microseconds(backoff)},
              {"SHMIPC_SEQUENCE", certificate.sequence},
              {"SHMIPC_PINS_HELD", certificate.held.size() + certificate.held_left_out},
              {"SHMIPC_LAST_OUTPUT", joined(certificate.last_output)}});
}

}  // namespace shmipc::supervisor
