#include "output.hpp"

#include "base/os.hpp"
#include "failure.hpp"

#include <cerrno>
#include <cstring>

#include <poll.h>
#include <unistd.h>

namespace shmipc::ctl {

bool use_colour(std::string_view choice, bool terminal, const char* no_color, const char* term) {
    if (choice != "auto") {
        return choice == "always";
    }
    const bool asked_not_to = no_color != nullptr && no_color[0] != '\0';
    const bool able = term != nullptr && term[0] != '\0' && std::string_view(term) != "dumb";
    return terminal && able && !asked_not_to;
}

void Output::write(std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = os::retry([&] { return ::write(fd_, text.data(), text.size()); });
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {  // somebody else made the description non-blocking
            pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
            ::poll(&room, 1, -1);
        } else if (errno == EPIPE) {
            throw ReaderGone();
        } else {
            throw Failure(ExitCode::kFailed,
                          "cannot write to standard output: " + std::string(std::strerror(errno)));
        }
    }
}

void Output::write(const Line& line) {
    write(to_ansi(line, colour_) + '\n');
}

void Output::write(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines) {
        text += to_ansi(line, colour_) + '\n';
    }
    write(text);
}

}  // namespace shmipc::ctl
