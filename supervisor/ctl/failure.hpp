// How shmipcctl ends: its exit codes, which are a contract with scripts, and the exception that
// carries one. Numbers follow sysexits.h.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace shmipc::ctl {

enum class ExitCode : int {
    kOk = 0,
    kFailed = 1,         ///< the supervisor said no, or a worker failed
    kDegraded = 2,       ///< status --check, wait: workers that should be ready are not
    kStopping = 3,       ///< the supervisor is stopping, and takes no orders any more
    kUsage = 64,         ///< wrong command line
    kNoSupervisor = 69,  ///< nobody answers, or it ended before its answer
    kNoPermission = 77,  ///< the socket, or the shared memory, is not for this user
};

constexpr int to_number(ExitCode code) noexcept {
    return static_cast<int>(code);
}

/// What is printed after "shmipcctl: ", remedy included, before shmipcctl exits with code().
class Failure : public std::runtime_error {
  public:
    Failure(ExitCode code, const std::string& text, std::string reason = {})
        : std::runtime_error(text), code_(code), reason_(std::move(reason)) {}
    [[nodiscard]] ExitCode code() const noexcept { return code_; }
    /// What is wrong, in a few words and without the remedy, for where there is little room.
    [[nodiscard]] std::string reason() const { return reason_.empty() ? what() : reason_; }

  private:
    ExitCode code_;
    std::string reason_;
};

/// Whoever read the output has closed it, as head(1) does: a reason to end quietly.
class ReaderGone : public std::runtime_error {
  public:
    ReaderGone() : std::runtime_error("nobody reads the output") {}
};

}  // namespace shmipc::ctl
