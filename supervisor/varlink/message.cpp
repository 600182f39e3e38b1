#include "message.hpp"

#include "error_names.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <utility>

namespace shmipc::varlink {
namespace {

namespace json = boost::json;

/// The member, if it is there and not null.
const json::value* find(const json::object& message, std::string_view name) {
    const json::value* const member = message.if_contains(name);
    return member == nullptr || member->is_null() ? nullptr : member;
}

[[noreturn]] void refuse(std::string_view name, std::string_view expected) {
    throw Malformed(kNotVarlink, "\"" + std::string(name) + "\" is no " + std::string(expected));
}

bool flag(const json::object& message, std::string_view name) {
    const json::value* const member = find(message, name);
    if (member != nullptr && !member->is_bool()) {
        refuse(name, "boolean");
    }
    return member != nullptr && member->get_bool();
}

std::string text_of(const json::object& message, std::string_view name) {
    const json::value* const member = find(message, name);
    if (member != nullptr && !member->is_string()) {
        refuse(name, "string");
    }
    return member == nullptr ? std::string{} : std::string(member->get_string());
}

json::object parameters_of(json::object& message) {
    const json::value* const member = find(message, "parameters");
    if (member == nullptr) {
        return {};
    }
    if (!member->is_object()) {
        refuse("parameters", "object");
    }
    return std::move(message.at("parameters").get_object());
}

json::object parse_object(std::string_view text) {
    json::parse_options options;
    options.max_depth = kDeepestMessage;
    json::error_code error;
    json::value value = json::parse(text, error, {}, options);
    if (error) {
        throw Malformed(kNotJson, "not JSON: " + error.message());
    }
    if (!value.is_object()) {
        throw Malformed(kNotVarlink, "not an object");
    }
    return std::move(value.get_object());
}

std::string encode(const json::object& message) {
    std::string text = json::serialize(message);
    text += '\0';
    return text;
}

}  // namespace

std::optional<std::string> MessageCutter::next() {
    const std::size_t end = bytes_.find('\0', searched_);
    if (end == std::string::npos) {
        searched_ = bytes_.size();
        return std::nullopt;
    }
    std::string message = bytes_.substr(0, end);
    bytes_.erase(0, end + 1);
    searched_ = 0;
    return message;
}

void MessageCutter::clear() noexcept {
    std::string().swap(bytes_);
    searched_ = 0;
}

CallMessage parse_call(std::string_view text) {
    json::object message = parse_object(text);
    CallMessage call;
    call.method = text_of(message, "method");
    if (find(message, "method") == nullptr) {
        throw Malformed(kNotVarlink, "no \"method\"");
    }
    call.oneway = flag(message, "oneway");
    call.more = flag(message, "more");
    call.upgrade = flag(message, "upgrade");
    call.parameters = parameters_of(message);
    return call;
}

ReplyMessage parse_reply(std::string_view text) {
    json::object message = parse_object(text);
    ReplyMessage reply;
    reply.error = text_of(message, "error");
    if (find(message, "error") != nullptr && reply.error.empty()) {
        throw Malformed(kNotVarlink, "\"error\" is empty");
    }
    reply.continues = flag(message, "continues");
    reply.parameters = parameters_of(message);
    return reply;
}

std::string encode_call(std::string_view method, json::object parameters, bool more) {
    json::object message{{"method", method}};
    message["parameters"] = std::move(parameters);
    if (more) {
        message["more"] = true;
    }
    return encode(message);
}

std::string encode_reply(json::object parameters, bool continues) {
    json::object message;
    message["parameters"] = std::move(parameters);
    if (continues) {
        message["continues"] = true;
    }
    return encode(message);
}

std::string encode_error(std::string_view error, json::object parameters) {
    json::object message{{"error", error}};
    message["parameters"] = std::move(parameters);
    return encode(message);
}

}  // namespace shmipc::varlink
