#include "connection.hpp"

#include "error_names.hpp"
#include "pending_call.hpp"
#include "service.hpp"

#include <boost/asio/post.hpp>

#include <utility>

#include <sys/socket.h>

namespace shmipc::varlink {
namespace {

constexpr std::chrono::seconds kFloodWindow{1};

}  // namespace

Connection::Connection(boost::asio::io_context& io, os::Fd socket, const Peer& peer,
                       const Limits& limits, std::shared_ptr<const Service> service,
                       ConnectionOwner& owner)
    : socket_(io, socket.get()),
      timer_(io),
      peer_(peer),
      limits_(limits),
      service_(std::move(service)),
      owner_(&owner),
      calls_since_(Clock::now()),
      idle_since_(calls_since_),
      progress_at_(calls_since_),
      leave_until_(calls_since_) {
    static_cast<void>(socket.release());
}

Connection::~Connection() = default;

void Connection::serve() {
    wait_for_hangup();
    advance();
}

void Connection::turn_away(std::string_view error, const std::string& reason) {
    wait_for_hangup();
    leave(error, reason);
}

void Connection::abandon() {
    state_ = State::kClosed;
    const std::function<void()> unheard = detach_call();
    timer_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
}

bool Connection::takes_answers() const noexcept {
    return state_ == State::kServing && !gone_ && !overrun_;
}

void Connection::answer(const std::string& message, bool last) {
    if (last) {
        pending_ = false;
        idle_since_ = Clock::now();
    }
    if (takes_answers()) {
        queue(message);
    }
    schedule();
}

void Connection::schedule() {
    if (!std::exchange(scheduled_, true)) {
        boost::asio::post(socket_.get_executor(), handler(&Connection::advance));
    }
}

void Connection::advance() {
    scheduled_ = false;
    if (state_ == State::kLeaving) {
        advance_leaving();
        return;
    }
    if (gone_ && pending_) {
        close();
        return;
    }
    if (overrun_) {
        leave({}, "left more than " + std::to_string(limits_.backlog_bytes) +
                      " bytes of replies waiting");
        return;
    }
    if (pending_ && out_.empty()) {
        const auto call = call_.lock();
        if (const auto drained = call != nullptr ? call->take_drained_handler() : nullptr) {
            drained();
        }
    }
    if (!pending_ && out_.empty()) {
        if (const auto message = in_.next()) {
            schedule();  // first: the call may end the server, or throw
            handle(*message);
            return;
        }
        if (in_.size() >= limits_.message_bytes) {
            leave(kMessageTooLong,
                  "a call is longer than " + std::to_string(limits_.message_bytes) + " bytes");
            return;
        }
        wait_for_input();
    }
    watch_deadline();
}

void Connection::advance_leaving() {
    if (gone_) {
        close();
        return;
    }
    if (out_.empty() && !std::exchange(shut_, true)) {
        ::shutdown(socket_.native_handle(), SHUT_WR);
    }
    wait_for_input();
    watch_deadline();
}

void Connection::handle(const std::string& text) {
    if (flooding()) {
        leave(kFlood, "more than " + std::to_string(limits_.calls_a_second) + " calls a second");
        return;
    }
    CallMessage message;
    try {
        message = parse_call(text);
    } catch (const Malformed& malformed) {
        leave(malformed.name(), std::string("a call is malformed: ") + malformed.what());
        return;
    }
    owner_->called();
    pending_ = true;
    const bool upgrade = message.upgrade;
    const auto call = std::make_shared<PendingCall>(weak_from_this(), std::move(message), peer_);
    call_ = call;
    if (upgrade) {
        call->fail(kUpgradeRefused, {{"reason", "nothing but Varlink is spoken here"}});
        return;
    }
    const auto service = service_;  // lives until the method returns, whatever becomes of us
    service->dispatch(call);
}

bool Connection::flooding() {
    const Clock::time_point now = Clock::now();
    if (now - calls_since_ >= kFloodWindow) {
        calls_since_ = now;
        calls_ = 0;
    }
    return ++calls_ > limits_.calls_a_second;
}

void Connection::leave(std::string_view error, const std::string& reason) {
    state_ = State::kLeaving;
    leave_until_ = Clock::now() + kLeaveTime;
    in_.clear();
    const std::function<void()> gone = detach_call();
    // What follows half a reply is no message; a client that takes nothing would not take this.
    const bool speaks = !gone_ && !error.empty() && out_.empty();
    const bool stays = owner_->leaves(*this, reason) && speaks;
    if (speaks) {
        queue(encode_error(error, {{"reason", reason}}));
    }
    if (stays) {
        advance_leaving();
    } else {
        close();
    }
    if (gone) {
        gone();
    }
}

void Connection::close() {
    state_ = State::kClosed;
    const std::function<void()> gone = detach_call();
    timer_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    owner_->closed(*this);
    if (gone) {
        gone();
    }
}

std::function<void()> Connection::detach_call() {
    const auto call = call_.lock();
    call_.reset();
    return call != nullptr && pending_ ? call->detach() : nullptr;
}

}  // namespace shmipc::varlink
