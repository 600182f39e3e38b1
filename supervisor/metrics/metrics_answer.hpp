// What the metrics listener answers to which request. Pure functions of HTTP, but for the text that
// is asked for.
#pragma once

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <functional>
#include <optional>
#include <string>

namespace shmipc::supervisor {

using MetricsParser = boost::beast::http::request_parser<boost::beast::http::empty_body>;
using MetricsResponse = boost::beast::http::response<boost::beast::http::string_body>;

/// The answer to a request whose header was read. Calls `text` for a GET or HEAD of /metrics. The
/// connection goes on if the answer's keep_alive() says so.
MetricsResponse answer(const MetricsParser& request, const std::function<std::string()>& text);

/// The answer to a request that could not be read, after which the connection ends; nothing if
/// there is nobody to answer: the client is gone, or too slow.
std::optional<MetricsResponse> refuse(const boost::beast::error_code& error);

}  // namespace shmipc::supervisor
