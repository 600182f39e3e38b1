#include "top.hpp"

#include "base/os.hpp"
#include "failure.hpp"
#include "screen.hpp"
#include "top_link.hpp"
#include "top_model.hpp"

#include <optional>

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace shmipc::ctl {
namespace {

/// The signals that end top or change its window, as a descriptor instead of interruptions.
class Signals {
  public:
    Signals() {
        sigset_t set;
        ::sigemptyset(&set);
        for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) {
            ::sigaddset(&set, number);
        }
        os::require("sigprocmask", [&] { return ::sigprocmask(SIG_BLOCK, &set, &before_); });
        descriptor_ = os::Fd(os::require(
            "signalfd", [&] { return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); }));
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

    /// The number of one that has come; nothing if none has.
    [[nodiscard]] std::optional<int> take() const {
        signalfd_siginfo info{};
        const ssize_t length =
            os::retry([&] { return ::read(descriptor_.get(), &info, sizeof info); });
        return length == sizeof info ? std::optional(static_cast<int>(info.ssi_signo))
                                     : std::nullopt;
    }

  private:
    sigset_t before_{};
    os::Fd descriptor_;
};

/// False if the operator leaves.
bool obey(Key key, TopModel& model, Size size) {
    switch (key) {
        case Key::kQuit:
            return false;
        case Key::kUp:
            model.scroll(Scroll::kUp, size);
            break;
        case Key::kDown:
            model.scroll(Scroll::kDown, size);
            break;
        case Key::kPageUp:
            model.scroll(Scroll::kPageUp, size);
            break;
        case Key::kPageDown:
            model.scroll(Scroll::kPageDown, size);
            break;
        case Key::kHome:
            model.scroll(Scroll::kHome, size);
            break;
        case Key::kEnd:
            model.scroll(Scroll::kEnd, size);
            break;
        case Key::kOther:
            break;
    }
    return true;
}

/// Sleeps until something happens. False if the terminal is gone.
bool wait(const Signals& signals, const TopLink& link) {
    pollfd ends[]{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                  {.fd = signals.descriptor(), .events = POLLIN, .revents = 0},
                  {.fd = link.descriptor(), .events = POLLIN, .revents = 0}};
    os::require("poll", [&] { return ::poll(ends, std::size(ends), link.patience_ms()); });
    return (ends[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

void run(Screen& screen, const Signals& signals, TopLink& link, TopModel& model) {
    for (;;) {
        link.step(model);
        screen.draw(model.lines(screen.size()));
        if (!wait(signals, link)) {
            return;
        }
        while (const auto number = signals.take()) {
            if (*number != SIGWINCH) {
                return;
            }
            screen.resized();
        }
        while (const auto key = screen.key()) {
            if (!obey(*key, model, screen.size())) {
                return;
            }
        }
    }
}

}  // namespace

void top(const Options& options, Output& output) {
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(output.descriptor()) != 1) {
        throw Failure(ExitCode::kUsage, "top needs a terminal: for a file or a pipe use " +
                                            options.place.command("status") + " or " +
                                            options.place.command("watch"));
    }
    TopLink link(options.place, options.interval);
    TopModel model(options.interval);
    // Before the screen, whose terminal must not be left as it is by a signal.
    const Signals signals;
    Screen screen(output.colour());
    run(screen, signals, link, model);
}

}  // namespace shmipc::ctl
