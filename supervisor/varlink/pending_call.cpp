#include "pending_call.hpp"

#include "connection.hpp"
#include "error_names.hpp"

#include <utility>

namespace shmipc::varlink {

PendingCall::PendingCall(std::weak_ptr<Connection> connection, CallMessage message,
                         const Peer& peer)
    : connection_(std::move(connection)), message_(std::move(message)), peer_(peer) {}

PendingCall::~PendingCall() {
    if (!answered_ && !connection_.expired()) {
        answer(encode_error(kMethodNotImplemented, {{"method", message_.method}}), true);
    }
}

bool PendingCall::open() const noexcept {
    const auto connection = connection_.lock();
    return !answered_ && connection != nullptr && connection->takes_answers();
}

bool PendingCall::drained() const noexcept {
    const auto connection = connection_.lock();
    return connection == nullptr || connection->drained();
}

void PendingCall::reply(boost::json::object parameters) {
    answer(encode_reply(std::move(parameters), false), true);
}

void PendingCall::reply_continued(boost::json::object parameters) {
    if (more()) {
        answer(encode_reply(std::move(parameters), true), false);
    } else {
        answer(encode_error(kExpectedMore, {}), true);
    }
}

void PendingCall::fail(std::string_view error, boost::json::object parameters) {
    answer(encode_error(error, std::move(parameters)), true);
}

void PendingCall::on_gone(std::function<void()> handler) {
    // The one before may hold the last owner of this call: it goes last.
    const std::function<void()> before = std::exchange(gone_, nullptr);
    if (!answered_ && !connection_.expired()) {
        gone_ = std::move(handler);
    }
}

void PendingCall::on_drained(std::function<void()> handler) {
    const std::function<void()> before = std::exchange(drained_, nullptr);
    const auto connection = connection_.lock();
    if (!answered_ && connection != nullptr) {
        drained_ = std::move(handler);
        connection->look_again();
    }
}

std::function<void()> PendingCall::detach() {
    connection_.reset();
    // It may hold the last owner of this call: it goes last.
    const std::function<void()> unneeded = std::exchange(drained_, nullptr);
    return std::exchange(gone_, nullptr);
}

void PendingCall::answer(std::string message, bool last) {
    const auto connection = connection_.lock();
    if (answered_ || connection == nullptr) {
        return;
    }
    // The handler may hold the last owner of this call: it goes when all else is done.
    std::function<void()> unneeded;
    std::function<void()> unneeded_too;
    if (last) {
        answered_ = true;
        unneeded = std::exchange(gone_, nullptr);
        unneeded_too = std::exchange(drained_, nullptr);
    }
    connection->answer(message_.oneway ? std::string{} : std::move(message), last);
}

}  // namespace shmipc::varlink
