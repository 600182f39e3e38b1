#include "fields.hpp"

#include "failure.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <limits>

namespace shmipc::ctl {
namespace {

[[noreturn]] void reject(std::string_view name, const std::string& expected) {
    throw Failure(ExitCode::kFailed, "the supervisor's answer is not understood: field '" +
                                         std::string(name) + "' is no " + expected +
                                         "; it may be of another version, see: shmipcctl version");
}

std::int64_t to_number(const boost::json::value& value, std::string_view name) {
    boost::system::error_code error;
    const auto number = value.to_number<std::int64_t>(error);
    if (error) {
        reject(name, "whole number");
    }
    return number;
}

std::uint32_t to_index(const boost::json::value& value, std::string_view name) {
    const std::int64_t number = to_number(value, name);
    if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) {
        reject(name, "worker's number");
    }
    return static_cast<std::uint32_t>(number);
}

}  // namespace

const boost::json::value* Fields::find(std::string_view name) const {
    const boost::json::value* const value = object_->if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
}

const boost::json::array* Fields::array(std::string_view name) const {
    const boost::json::value* const value = find(name);
    if (value != nullptr && !value->is_array()) {
        reject(name, "list");
    }
    return value == nullptr ? nullptr : &value->get_array();
}

std::optional<std::int64_t> Fields::number(std::string_view name) const {
    const boost::json::value* const value = find(name);
    return value == nullptr ? std::nullopt : std::optional(to_number(*value, name));
}

std::uint64_t Fields::count(std::string_view name) const {
    const std::int64_t value = number(name).value_or(0);
    if (value < 0) {
        reject(name, "count");
    }
    return static_cast<std::uint64_t>(value);
}

std::uint32_t Fields::worker_index(std::string_view name) const {
    const boost::json::value* const value = find(name);
    if (value == nullptr) {
        reject(name, "worker's number");
    }
    return to_index(*value, name);
}

std::optional<std::string> Fields::text(std::string_view name) const {
    const boost::json::value* const value = find(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_string()) {
        reject(name, "text");
    }
    return std::string(value->get_string());
}

std::optional<std::chrono::nanoseconds> Fields::duration(std::string_view name) const {
    constexpr std::chrono::microseconds kCentury = std::chrono::hours{24 * 365 * 100};
    const auto microseconds = number(name);
    if (!microseconds) {
        return std::nullopt;
    }
    return std::clamp(std::chrono::microseconds{*microseconds}, std::chrono::microseconds{0},
                      kCentury);
}

std::vector<Fields> Fields::objects(std::string_view name) const {
    std::vector<Fields> result;
    if (const auto* const list = array(name)) {
        for (const boost::json::value& item : *list) {
            if (!item.is_object()) {
                reject(name, "list of objects");
            }
            result.emplace_back(item.get_object());
        }
    }
    return result;
}

std::vector<std::string> Fields::texts(std::string_view name) const {
    std::vector<std::string> result;
    if (const auto* const list = array(name)) {
        for (const boost::json::value& item : *list) {
            if (!item.is_string()) {
                reject(name, "list of texts");
            }
            result.emplace_back(item.get_string());
        }
    }
    return result;
}

std::vector<std::uint32_t> Fields::worker_indices(std::string_view name) const {
    std::vector<std::uint32_t> result;
    if (const auto* const list = array(name)) {
        for (const boost::json::value& item : *list) {
            result.push_back(to_index(item, name));
        }
    }
    return result;
}

}  // namespace shmipc::ctl
