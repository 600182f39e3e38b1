#include "worker_line.hpp"

#include "base/log.hpp"
#include "base/log_relay.hpp"
#include "output_cutter.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <span>

namespace shmipc::supervisor {
namespace {

namespace json = boost::json;

constexpr std::size_t kDeepestJson = 32;
/// journald's for a program's output.
constexpr int kUsualPriority = 6;
constexpr std::string_view kBlanks = " \t\r";

json::object fields_of(const LineSource& source) {
    return {{kOriginField, kOriginWorker},
            {"SHMIPC_GROUP", source.group},
            {"SHMIPC_WORKER", to_number(source.worker)},
            {"SHMIPC_WORKER_PID", source.pid}};
}

std::string_view trimmed(std::string_view line) {
    const std::size_t first = line.find_first_not_of(kBlanks);
    return first == std::string_view::npos
               ? std::string_view{}
               : line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

std::optional<JsonLine> as_json(std::string_view line, const LineSource& source) {
    const std::string_view text = trimmed(line);
    if (!text.starts_with('{') || !text.ends_with('}')) {
        return std::nullopt;
    }
    json::parse_options options;
    options.max_depth = kDeepestJson;
    json::error_code error;
    json::value value = json::parse(text, error, {}, options);
    if (error || !value.is_object()) {
        return std::nullopt;
    }
    json::object& object = value.get_object();
    JsonLine result;
    if (const json::value* const message = object.if_contains("MESSAGE");
        message != nullptr && message->is_string()) {
        result.message = message->get_string();
    }
    const json::object ours = fields_of(source);
    bool forged = false;
    for (const auto& field : ours) {
        forged = object.erase(field.key()) != 0 || forged;
    }
    // As the worker wrote it, numbers and all, where there is nothing to take out. A carriage
    // return is a blank to JSON, and to a terminal a way to the line's start.
    if (forged || text.find('\r') != std::string_view::npos) {
        result.object = json::serialize(object);
    } else {
        result.object = text;
    }
    result.object.pop_back();
    if (!object.empty()) {
        result.object += ',';
    }
    result.object += json::serialize(ours).substr(1);
    return result;
}

std::string pass_on(std::string_view line, const LineSource& source, bool continued,
                    bool continues) {
    const int priority = continued ? kUsualPriority : take_priority(line, kUsualPriority);
    const std::string number = std::to_string(to_number(source.worker));
    const std::array<log::Field, 5> fields{
        log::Field(kOriginField, kOriginWorker), log::Field("SHMIPC_GROUP", source.group),
        log::Field("SHMIPC_WORKER", to_number(source.worker)),
        log::Field("SHMIPC_WORKER_PID", source.pid), log::Field("SHMIPC_CONTINUES", 1)};
    log::Relayed relayed{.identifier = source.identifier,
                         .prefix = number,
                         .priority = priority,
                         .message = line,
                         .fields = std::span(fields).first(continues ? 5 : 4)};
    const auto object = log::format() == log::Format::kJson ? as_json(line, source) : std::nullopt;
    if (object) {
        relayed.object = object->object;
        if (!object->message.empty()) {
            relayed.message = object->message;
        }
    }
    log::relay(relayed);
    std::string_view said = relayed.message;
    if (said.starts_with(number + ": ")) {
        said.remove_prefix(number.size() + 2);
    }
    return std::string(said);
}

}  // namespace shmipc::supervisor
