#include "metrics_answer.hpp"

#include <boost/beast/http/error.hpp>

#include <string_view>
#include <utility>

namespace shmipc::supervisor {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kPage =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><title>shmipc</title></head>\n"
    "<body><h1>shmipc</h1><p><a href=\"/metrics\">Metrics</a></p></body></html>\n";

std::optional<http::status> status_of(const beast::error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return http::status::request_header_fields_too_large;
    }
    if (error == http::error::body_limit) {
        return http::status::payload_too_large;
    }
    const beast::error_code some_http_error = http::error::bad_method;
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error.category() != some_http_error.category()) {
        return std::nullopt;
    }
    return http::status::bad_request;
}

void set_content(MetricsResponse& response, const char* type, std::string body) {
    response.set(http::field::content_type, type);
    response.body() = std::move(body);
}

void set_error(MetricsResponse& response, http::status status) {
    response.result(status);
    set_content(
        response, "text/plain; charset=utf-8",
        std::to_string(response.result_int()) + " " + std::string(response.reason()) + "\n");
}

bool has_body(const MetricsParser& parser) {
    return parser.chunked() || parser.content_length().value_or(0) > 0;
}

}  // namespace

MetricsResponse answer(const MetricsParser& parser, const std::function<std::string()>& text) {
    const auto& request = parser.get();
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    const bool head = request.method() == http::verb::head;
    MetricsResponse response(http::status::ok, request.version());
    response.keep_alive(request.keep_alive());
    if (has_body(parser)) {
        set_error(response, http::status::payload_too_large);
        response.keep_alive(false);  // the body would be taken for the next request
    } else if (!head && request.method() != http::verb::get) {
        set_error(response, http::status::method_not_allowed);
        response.set(http::field::allow, "GET, HEAD");
    } else if (path == "/metrics") {
        set_content(response, kMetricsType, text());
    } else if (path == "/") {
        set_content(response, "text/html; charset=utf-8", kPage);
    } else {
        set_error(response, http::status::not_found);
    }
    response.prepare_payload();
    if (head) {
        response.body().clear();  // after its length is told
    }
    return response;
}

std::optional<MetricsResponse> refuse(const beast::error_code& error) {
    const auto status = status_of(error);
    if (!status) {
        return std::nullopt;
    }
    MetricsResponse response;
    set_error(response, *status);
    response.keep_alive(false);
    response.prepare_payload();
    return response;
}

}  // namespace shmipc::supervisor
