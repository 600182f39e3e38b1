// The part of Connection that touches the socket and the clock: what goes out, what comes in, the
// end of the stream, and the deadlines.
#include "connection.hpp"
#include "error_names.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace shmipc::varlink {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} * 1024;

std::string to_text(std::chrono::milliseconds duration) {
    return std::to_string(duration.count()) + " ms";
}

}  // namespace

void Connection::queue(const std::string& message) {
    if (out_.empty()) {
        progress_at_ = Clock::now();
    }
    // One answer may be as long as it has to be: the next call is not read before it is taken.
    const bool behind = !out_.empty();
    out_ += message;
    flush();
    overrun_ = behind && out_.size() > limits_.backlog_bytes;
}

void Connection::flush() {
    std::size_t sent = 0;
    while (sent < out_.size()) {
        const ssize_t length = os::retry([&] {
            return ::send(socket_.native_handle(), out_.data() + sent, out_.size() - sent,
                          MSG_NOSIGNAL | MSG_DONTWAIT);
        });
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            wait_for_room();
            break;
        }
        if (length < 0) {
            lose();
            return;
        }
        sent += static_cast<std::size_t>(length);
    }
    if (sent > 0) {
        out_.erase(0, sent);
        progress_at_ = idle_since_ = Clock::now();
    }
    schedule();
}

void Connection::lose() {
    gone_ = true;
    out_.clear();
    schedule();
}

void Connection::out_of_memory() {
    out_ = {};  // first, for what follows
    in_.clear();
    if (state_ == State::kServing) {
        leave({}, "there was no memory for what it asked");
    } else {
        close();
    }
}

void Connection::wait_for_input() {
    if (!std::exchange(reading_, true)) {
        socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                           handler(&Connection::receive));
    }
}

void Connection::receive() {
    reading_ = false;
    std::array<char, kReadBytes> bytes;  // NOLINT(*-member-init): written before it is read
    const bool leaving = state_ == State::kLeaving;
    const std::size_t room =
        leaving ? bytes.size() : std::min(bytes.size(), limits_.message_bytes - in_.size());
    const ssize_t length = os::retry(
        [&] { return ::recv(socket_.native_handle(), bytes.data(), room, MSG_DONTWAIT); });
    if (length < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        close();
        return;
    }
    if (length == 0) {
        ended();
        return;
    }
    const auto received = static_cast<std::size_t>(std::max<ssize_t>(length, 0));
    if (!leaving) {
        in_.feed({bytes.data(), received});
    } else if ((discarded_ += received) > kMostDiscarded) {
        close();
        return;
    }
    advance();
}

void Connection::ended() {
    // A client that only says that it calls no more has its answers: we read when all are taken.
    if (state_ == State::kServing && in_.size() > 0) {
        leave(kUnfinished, "ended in the middle of a call");
    } else {
        close();
    }
}

void Connection::wait_for_room() {
    if (!std::exchange(writing_, true)) {
        socket_.async_wait(boost::asio::posix::descriptor_base::wait_write,
                           handler(&Connection::room_came));
    }
}

void Connection::room_came() {
    writing_ = false;
    flush();
}

void Connection::wait_for_hangup() {
    socket_.async_wait(boost::asio::posix::descriptor_base::wait_error,
                       handler(&Connection::hung_up));
}

void Connection::hung_up() {
    // POLLHUP is both directions: closed, not only half-closed as by `nc -N`, which waits for its
    // answer.
    pollfd state{.fd = socket_.native_handle(), .events = POLLPRI, .revents = 0};
    os::retry([&] { return ::poll(&state, 1, 0); });
    if ((state.revents & (POLLHUP | POLLERR)) != 0) {
        lose();
    } else if ((state.revents & POLLPRI) == 0) {
        wait_for_hangup();
    } else if (state_ == State::kServing) {
        // Not waited for again: it would be reported for ever.
        leave(kNotVarlink, "sent out-of-band data");
    }
}

std::optional<Connection::Clock::time_point> Connection::next_deadline() const {
    if (state_ == State::kLeaving) {
        return leave_until_;
    }
    if (!out_.empty()) {
        return progress_at_ + limits_.stall;
    }
    if (pending_) {
        return std::nullopt;
    }
    return idle_since_ + limits_.idle;
}

void Connection::watch_deadline() {
    const auto deadline = next_deadline();
    if (deadline == deadline_) {
        return;
    }
    deadline_ = deadline;
    if (!deadline) {
        timer_.cancel();
        return;
    }
    timer_.expires_at(*deadline);
    timer_.async_wait(handler(&Connection::deadline_passed));
}

void Connection::deadline_passed() {
    // It may have moved while this waited in the loop.
    watch_deadline();
    if (!deadline_ || Clock::now() < *deadline_) {
        return;
    }
    if (state_ == State::kLeaving) {
        close();
    } else if (!out_.empty()) {
        leave({}, "took no reply for " + to_text(limits_.stall));
    } else if (!called_at_last()) {
        // A client that sent nothing has asked nothing: an error would pass for the answer to its
        // next call. The end of the stream between two answers is what any client understands.
        leave(in_.size() > 0 ? kIdle : std::string_view{},
              "sent no whole call for " + to_text(limits_.idle));
    }
}

bool Connection::called_at_last() {
    // The call may have come in the moment in which its time was over.
    std::array<char, kReadBytes> bytes;  // NOLINT(*-member-init): written before it is read
    const std::size_t room = std::min(bytes.size(), limits_.message_bytes - in_.size());
    const ssize_t length = os::retry(
        [&] { return ::recv(socket_.native_handle(), bytes.data(), room, MSG_DONTWAIT); });
    if (length > 0) {
        in_.feed({bytes.data(), static_cast<std::size_t>(length)});
    }
    const auto message = in_.next();
    if (message) {
        schedule();
        handle(*message);
    }
    return message.has_value();
}

}  // namespace shmipc::varlink
