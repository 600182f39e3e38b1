#include "ready_pipe.hpp"

#include "base/held_signal.hpp"
#include <shmipc/supervision.hpp>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::detail {

namespace {

std::string_view variable(const char* name) noexcept {
    const char* const text = std::getenv(name);
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::optional<int> parse_descriptor(std::string_view text) noexcept {
    int fd = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && fd > STDERR_FILENO ? std::optional(fd) : std::nullopt;
}

bool is_writing_end(int fd) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) &&
           (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
}

}  // namespace

os::Fd take_ready_pipe(const std::string& group, WorkerIndex index) {
    const std::optional<int> fd = parse_descriptor(variable(supervision::kReadyVariable));
    if (!fd || variable(supervision::kGroupVariable) != group ||
        variable(supervision::kIndexVariable) != std::to_string(to_number(index)) ||
        !is_writing_end(*fd) ||
        variable(supervision::kReadyPipeVariable) != os::device_and_inode(*fd)) {
        return {};
    }
    ::fcntl(*fd, F_SETFD, FD_CLOEXEC);
    ::unsetenv(supervision::kReadyVariable);
    ::unsetenv(supervision::kReadyPipeVariable);
    return os::Fd(*fd);
}

void tell_ready(os::Fd& pipe) noexcept {
    if (!pipe) {
        return;
    }
    // A supervisor that does not listen any more, or is gone, cannot be told.
    const HeldSignal held(SIGPIPE);
    static_cast<void>(os::retry([&] { return ::write(pipe.get(), "\n", 1); }));
    pipe.reset();
}

}  // namespace shmipc::detail
