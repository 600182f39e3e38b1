#include "parameters.hpp"

#include "server.hpp"

#include <boost/json/array.hpp>

#include <limits>

namespace shmipc::varlink {
namespace {

namespace json = boost::json;

std::int64_t to_integer(const json::value& value, std::string_view name) {
    if (value.is_int64()) {
        return value.get_int64();
    }
    // What the parser makes unsigned is beyond; what a program made so need not be.
    if (value.is_uint64() &&
        value.get_uint64() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        return static_cast<std::int64_t>(value.get_uint64());
    }
    throw InvalidParameter(std::string(name));
}

}  // namespace

const json::value* Parameters::find(std::string_view name) {
    asked_.emplace(name);
    const json::value* const value = parameters_.if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<std::int64_t> Parameters::integer(std::string_view name) {
    const json::value* const value = find(name);
    return value == nullptr ? std::nullopt : std::optional(to_integer(*value, name));
}

std::optional<bool> Parameters::boolean(std::string_view name) {
    const json::value* const value = find(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_bool()) {
        throw InvalidParameter(std::string(name));
    }
    return value->get_bool();
}

std::optional<std::string> Parameters::text(std::string_view name) {
    const json::value* const value = find(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_string()) {
        throw InvalidParameter(std::string(name));
    }
    return std::string(value->get_string());
}

std::optional<std::vector<std::int64_t>> Parameters::integers(std::string_view name) {
    const json::value* const value = find(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_array()) {
        throw InvalidParameter(std::string(name));
    }
    std::vector<std::int64_t> result;
    result.reserve(value->get_array().size());
    for (const json::value& element : value->get_array()) {
        result.push_back(to_integer(element, name));
    }
    return result;
}

void Parameters::finish() const {
    for (const auto& member : parameters_) {
        const std::string name(member.key());
        if (!asked_.contains(name)) {
            throw InvalidParameter(name);
        }
    }
}

}  // namespace shmipc::varlink
