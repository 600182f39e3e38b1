#include "reader_watch.hpp"

#include <csignal>
#include <cstdint>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

namespace shmipc::supervisor {
namespace {

bool is_gone(int output) noexcept {
    pollfd entry{.fd = output, .events = 0, .revents = 0};
    return os::retry([&] { return ::poll(&entry, 1, 0); }) == 1 &&
           (entry.revents & (POLLERR | POLLHUP)) != 0;
}

bool has_terminal() noexcept {
    return static_cast<bool>(os::Fd(os::retry(
        [] { return ::open("/dev/tty", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); })));
}

}  // namespace

ReaderWatch::ReaderWatch(boost::asio::io_context& io, int output, std::function<void()> on_gone)
    : watch_(io), output_(output), on_gone_(std::move(on_gone)) {
    // An epoll of our own between the loop and the descriptor: Asio would make the open end
    // non-blocking for all who share it, the shell among them.
    os::Fd epoll(os::require("epoll_create1", [] { return ::epoll_create1(EPOLL_CLOEXEC); }));
    epoll_event event{};  // no event: errors and hang-ups are told always
    event.data.fd = output;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, output, &event) != 0) {
        return;  // EPERM: it has no other end
    }
    watch_.assign(epoll.release());
    wait();
}

void ReaderWatch::wait() {
    watch_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& error) {
                          if (error) {
                              return;
                          }
                          if (is_gone(output_)) {
                              watch_.close();
                              on_gone_();
                          } else {
                              wait();
                          }
                      });
}

ControllingTerminal::ControllingTerminal() : had_(has_terminal()) {
    struct sigaction action {};
    hang_up_ignored_ = ::sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool ControllingTerminal::lost() {
    return had_ && !has_terminal() && std::exchange(had_, false);
}

}  // namespace shmipc::supervisor
