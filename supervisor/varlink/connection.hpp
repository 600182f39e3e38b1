// The server's end of one connection: cuts what comes into calls, gives one after the other to the
// service, sends the answers, and watches over the client's bounds (Limits).
//
// It serves until the client is gone or breaks a bound; then it leaves: the client gets an error,
// the end of the stream, and a moment to read both, while what it goes on to send is thrown away.
// Closing at once would break the pipe of a client that is still writing.
//
// All happens in advance(), from the loop: an answer, a byte, a hang-up and a deadline only note
// what is new and lead there. Its owner keeps it alive; the handlers in the loop know it weakly.
#pragma once

#include "base/os.hpp"
#include "message.hpp"
#include "server.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>

namespace shmipc::varlink {

class Connection;
class PendingCall;
class Service;

/// A client that leaves has this long to read why, …
inline constexpr std::chrono::milliseconds kLeaveTime{1000};
/// … and may send this much meanwhile.
inline constexpr std::size_t kMostDiscarded = std::size_t{1024} * 1024;

/// What a connection asks of, and tells, the one that owns it.
class ConnectionOwner {
  public:
    virtual ~ConnectionOwner() = default;
    ConnectionOwner(const ConnectionOwner&) = delete;
    ConnectionOwner& operator=(const ConnectionOwner&) = delete;

    virtual void called() = 0;
    /// Serves no more, because of `reason`. False if it may not even stay for a moment.
    virtual bool leaves(Connection& connection, const std::string& reason) = 0;
    /// Is no more; the owner lets go of it.
    virtual void closed(Connection& connection) = 0;

  protected:
    ConnectionOwner() = default;
};

class Connection final : public std::enable_shared_from_this<Connection> {
  public:
    /// Throws boost::system::system_error if the loop cannot watch the socket.
    Connection(boost::asio::io_context& io, os::Fd socket, const Peer& peer, const Limits& limits,
               std::shared_ptr<const Service> service, ConnectionOwner& owner);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    [[nodiscard]] const Peer& peer() const noexcept { return peer_; }
    void serve();
    /// Instead of serve().
    void turn_away(std::string_view error, const std::string& reason);
    /// Ends it without a word to anybody: the owner goes.
    void abandon();

    // For the call that is pending.
    [[nodiscard]] bool takes_answers() const noexcept;
    [[nodiscard]] bool drained() const noexcept { return out_.empty(); }
    /// `message`: encoded; empty if the client wants to hear nothing.
    void answer(const std::string& message, bool last);
    /// Soon: somebody waits for what may be so already.
    void look_again() { schedule(); }

  private:
    using Clock = std::chrono::steady_clock;
    enum class State : std::uint8_t { kServing, kLeaving, kClosed };

    void schedule();
    void advance();
    void advance_leaving();
    void handle(const std::string& text);
    bool flooding();
    void leave(std::string_view error, const std::string& reason);
    /// Reads what has come without waiting. False if it is no whole call.
    bool called_at_last();
    void close();
    /// Takes the handler that is to hear that the pending call's client is gone.
    std::function<void()> detach_call();

    void queue(const std::string& message);
    void flush();
    void lose();
    /// There was none for what this client asked: it goes, and the others stay.
    void out_of_memory();
    void wait_for_input();
    void receive();
    void ended();
    void wait_for_room();
    void room_came();
    void wait_for_hangup();
    void hung_up();
    [[nodiscard]] std::optional<Clock::time_point> next_deadline() const;
    void watch_deadline();
    void deadline_passed();

    /// A handler for the loop, which calls `step` if this is still there and not closed.
    auto handler(void (Connection::*step)()) {
        return [self = weak_from_this(), step](const boost::system::error_code& error = {}) {
            const auto connection = self.lock();
            if (connection != nullptr && connection->state_ != State::kClosed &&
                error != boost::asio::error::operation_aborted) {
                try {
                    (*connection.*step)();
                } catch (const std::bad_alloc&) {
                    connection->out_of_memory();
                }
            }
        };
    }

    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer timer_;
    Peer peer_;
    Limits limits_;
    std::shared_ptr<const Service> service_;
    ConnectionOwner* owner_;

    State state_ = State::kServing;
    bool scheduled_ = false;
    bool reading_ = false;  ///< the loop waits for input
    bool writing_ = false;  ///< the loop waits for room
    bool gone_ = false;     ///< nobody reads what we send; but there may be calls still to read
    bool overrun_ = false;  ///< more replies wait than may
    bool pending_ = false;  ///< a call was not answered yet
    bool shut_ = false;     ///< our end of the stream was told
    std::weak_ptr<PendingCall> call_;

    MessageCutter in_;
    std::string out_;
    std::size_t discarded_ = 0;
    std::uint32_t calls_ = 0;  ///< since calls_since_
    Clock::time_point calls_since_;
    Clock::time_point idle_since_;
    Clock::time_point progress_at_;  ///< when the client last took some of out_
    Clock::time_point leave_until_;
    std::optional<Clock::time_point> deadline_;
};

}  // namespace shmipc::varlink
