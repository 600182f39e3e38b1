// A call on its way from a connection to its answer.
//
// Knows its connection only weakly: the connection, the server and the loop may all be gone when
// the answer comes, and it goes nowhere then.
#pragma once

#include "message.hpp"
#include "server.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace shmipc::varlink {

class Connection;

class PendingCall final : public Call {
  public:
    PendingCall(std::weak_ptr<Connection> connection, CallMessage message, const Peer& peer);
    PendingCall(const PendingCall&) = delete;
    PendingCall& operator=(const PendingCall&) = delete;
    ~PendingCall() override;

    [[nodiscard]] const std::string& method() const noexcept override { return message_.method; }
    [[nodiscard]] const boost::json::object& parameters() const noexcept override {
        return message_.parameters;
    }
    [[nodiscard]] const Peer& peer() const noexcept override { return peer_; }
    [[nodiscard]] bool more() const noexcept override { return message_.more && !message_.oneway; }
    [[nodiscard]] bool open() const noexcept override;
    [[nodiscard]] bool drained() const noexcept override;

    void reply(boost::json::object parameters) override;
    void reply_continued(boost::json::object parameters) override;
    void fail(std::string_view error, boost::json::object parameters = {}) override;
    void on_gone(std::function<void()> handler) override;
    void on_drained(std::function<void()> handler) override;

    /// By the connection, when all is taken: the handler that waits for it, if there is one.
    std::function<void()> take_drained_handler() { return std::exchange(drained_, nullptr); }

    /// By the connection, when it ends: no answer can go out any more. Returns the handler that is
    /// to be told so, if there is one.
    std::function<void()> detach();

  private:
    void answer(std::string message, bool last);

    std::weak_ptr<Connection> connection_;
    CallMessage message_;
    Peer peer_;
    bool answered_ = false;  ///< for the last time
    std::function<void()> gone_;
    std::function<void()> drained_;
};

}  // namespace shmipc::varlink
