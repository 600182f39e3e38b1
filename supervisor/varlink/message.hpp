// What goes over a Varlink connection: JSON objects, each ended by a NUL byte. Pure functions, and
// the buffer that cuts bytes into messages; both ends use them.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace shmipc::varlink {

/// Objects and lists within each other, the message itself included.
inline constexpr std::size_t kDeepestMessage = 16;

/// Keeps bytes until a NUL ends a message. Bounded by whoever feeds it: see size().
class MessageCutter {
  public:
    void feed(std::string_view bytes) { bytes_.append(bytes); }
    /// The next whole message, without its NUL.
    std::optional<std::string> next();
    /// Bytes that were fed and have not come out.
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    void clear() noexcept;

  private:
    std::string bytes_;
    std::size_t searched_ = 0;  ///< bytes at the front that hold no NUL
};

/// Text that is no Varlink message; `name()` is the error that tells a client so.
class Malformed : public std::runtime_error {
  public:
    Malformed(std::string_view name, const std::string& reason)
        : std::runtime_error(reason), name_(name) {}
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

  private:
    std::string_view name_;  ///< one of error_names.hpp
};

struct CallMessage {
    std::string method;
    boost::json::object parameters;
    bool oneway = false;
    bool more = false;
    bool upgrade = false;
};
/// Members that Varlink doesn't know are passed over; null is as good as missing. Throws Malformed.
CallMessage parse_call(std::string_view text);

struct ReplyMessage {
    std::string error;  ///< empty: no error
    boost::json::object parameters;
    bool continues = false;
};
/// Throws Malformed.
ReplyMessage parse_reply(std::string_view text);

// With the NUL at the end.
std::string encode_call(std::string_view method, boost::json::object parameters, bool more);
std::string encode_reply(boost::json::object parameters, bool continues);
std::string encode_error(std::string_view error, boost::json::object parameters);

}  // namespace shmipc::varlink
