// A Varlink client on a Unix stream socket (https://varlink.org): blocking, for programs that do
// one thing at a time, and with a descriptor to wait on for those that do two.
//
// One thread. Bounded: a reply of more than kLongestReply bytes is an error.
#pragma once

#include "base/os.hpp"
#include "message.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace shmipc::varlink {

inline constexpr std::size_t kLongestReply = std::size_t{16} * 1024 * 1024;

/// The service answered a call with an error.
class CallError : public std::runtime_error {
  public:
    CallError(std::string error, boost::json::object parameters);
    [[nodiscard]] const std::string& error() const noexcept { return error_; }  ///< full name
    [[nodiscard]] const boost::json::object& parameters() const noexcept { return parameters_; }

  private:
    std::string error_;
    boost::json::object parameters_;
};

/// The connection cannot be made, ended, or carried something that is no Varlink. `code()` is errno
/// where there is one, else 0.
class ConnectionError : public std::runtime_error {
  public:
    ConnectionError(const std::string& text, int code) : std::runtime_error(text), code_(code) {}
    [[nodiscard]] int code() const noexcept { return code_; }

  private:
    int code_;
};

class Client {
  public:
    /// Throws ConnectionError.
    static Client connect(const std::string& path);

    /// Calls, and waits for the one answer, however long it takes, or no longer than `patience`.
    /// Throws CallError, ConnectionError; ETIMEDOUT is its code if patience was at its end, and
    /// the client is of no use then.
    boost::json::object call(std::string_view method, boost::json::object parameters = {},
                             std::optional<std::chrono::milliseconds> patience = std::nullopt);

    struct Reply {
        boost::json::object parameters;
        bool continues = false;
    };
    /// Begins a stream of answers; receive() gets them.
    void call_more(std::string_view method, boost::json::object parameters = {});
    /// The next answer if it comes within `patience`; nothing if not. Throws as call().
    std::optional<Reply> receive(std::chrono::milliseconds patience);
    /// Readable when receive() has something to do; but only if receive(0ms) returned nothing
    /// since.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

  private:
    using Clock = std::chrono::steady_clock;

    Client(os::Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
    void send(std::string_view message);
    std::optional<Reply> take_reply();
    /// Nothing when the deadline has passed; none: waits for ever.
    std::optional<Reply> receive_until(std::optional<Clock::time_point> deadline);
    /// False if there is nothing now.
    bool read_some();
    [[noreturn]] void fail(const std::string& text, int code) const;

    os::Fd socket_;
    std::string path_;  ///< for messages
    MessageCutter received_;
    int send_error_ = 0;  ///< told only when there is nothing to read: the service may say why
};

}  // namespace shmipc::varlink
