#include "client.hpp"

#include "base/unix_address.hpp"

#include <climits>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>

namespace shmipc::varlink {
namespace {

constexpr std::size_t kReplyReadBytes = std::size_t{64} * 1024;
/// Far enough to be for ever, near enough to be added to any time.
constexpr std::chrono::hours kLongestPatience{24 * 365};

}  // namespace

CallError::CallError(std::string error, boost::json::object parameters)
    : std::runtime_error(error), error_(std::move(error)), parameters_(std::move(parameters)) {}

Client Client::connect(const std::string& path) {
    const auto fail = [&path](const std::string& reason, int code) {
        throw ConnectionError("cannot connect to " + path + ": " + reason, code);
    };
    const auto address = os::to_address(path);
    if (!address) {
        fail("a socket's path has 1 … " + std::to_string(os::kLongestSocketPath) + " bytes, this " +
                 std::to_string(path.size()),
             ENAMETOOLONG);
    }
    os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || os::retry([&] {
                       return ::connect(socket.get(), os::generic(*address), sizeof(*address));
                   }) != 0) {
        const int code = errno;
        fail(std::generic_category().message(code), code);
    }
    return {std::move(socket), path};
}

boost::json::object Client::call(std::string_view method, boost::json::object parameters,
                                 std::optional<std::chrono::milliseconds> patience) {
    send(encode_call(method, std::move(parameters), false));
    std::optional<Reply> reply = patience ? receive(*patience) : receive_until(std::nullopt);
    if (!reply) {
        fail("no answer", ETIMEDOUT);
    }
    if (reply->continues) {
        fail("the service answers one call more than once", 0);
    }
    return std::move(reply->parameters);
}

void Client::call_more(std::string_view method, boost::json::object parameters) {
    send(encode_call(method, std::move(parameters), true));
}

std::optional<Client::Reply> Client::receive(std::chrono::milliseconds patience) {
    return receive_until(Clock::now() +
                         std::min<std::chrono::milliseconds>(patience, kLongestPatience));
}

std::optional<Client::Reply> Client::receive_until(std::optional<Clock::time_point> deadline) {
    for (;;) {
        if (auto reply = take_reply()) {
            return reply;
        }
        if (read_some()) {
            continue;
        }
        int timeout = -1;
        if (deadline) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
            if (left <= 0) {
                return std::nullopt;
            }
            timeout = static_cast<int>(std::min<std::int64_t>(left, INT_MAX));
        }
        pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        // Interrupted or not: the deadline is looked at again.
        if (::poll(&ready, 1, timeout) < 0 && errno != EINTR) {
            fail(std::generic_category().message(errno), errno);
        }
    }
}

std::optional<Client::Reply> Client::take_reply() {
    const auto text = received_.next();
    if (!text) {
        if (received_.size() >= kLongestReply) {
            fail("a reply is longer than " + std::to_string(kLongestReply) + " bytes", 0);
        }
        return std::nullopt;
    }
    ReplyMessage message;
    try {
        message = parse_reply(*text);
    } catch (const Malformed& malformed) {
        fail(std::string("a reply is malformed: ") + malformed.what(), 0);
    }
    if (!message.error.empty()) {
        throw CallError(std::move(message.error), std::move(message.parameters));
    }
    return Reply{.parameters = std::move(message.parameters), .continues = message.continues};
}

bool Client::read_some() {
    std::array<char, kReplyReadBytes> bytes;  // NOLINT(*-member-init): written before it is read
    const ssize_t length =
        os::retry([&] { return ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT); });
    if (length > 0) {
        received_.feed({bytes.data(), static_cast<std::size_t>(length)});
        return true;
    }
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return false;
    }
    const int code = length < 0 ? errno : send_error_;
    fail(code != 0 ? std::generic_category().message(code) : "the service closed it", code);
}

void Client::send(std::string_view message) {
    while (!message.empty()) {
        const ssize_t length = os::retry(
            [&] { return ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL); });
        if (length < 0) {
            send_error_ = errno;
            return;
        }
        message.remove_prefix(static_cast<std::size_t>(length));
    }
}

void Client::fail(const std::string& text, int code) const {
    throw ConnectionError("connection to " + path_ + ": " + text, code);
}

}  // namespace shmipc::varlink
