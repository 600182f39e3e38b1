#include "listen_address.hpp"

#include "shared/text.hpp"

#include <limits>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace shmipc::supervisor {
namespace {

constexpr std::uint64_t kMostPort = std::numeric_limits<std::uint16_t>::max();
constexpr std::string_view kExpected =
    R"(: expected an address and a port, such as "127.0.0.1:9464" or "[::1]:9464")";

/// Cut at the last colon, nothing checked yet.
struct Parts {
    std::string host;
    std::string_view port;
    bool bracketed = false;
};

std::optional<Parts> cut(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    // "[::1]" has a colon, but no port.
    if (colon == std::string_view::npos || text.find(']', colon) != std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    return Parts{std::string(host), text.substr(colon + 1), bracketed};
}

bool is_address(const Parts& parts) {
    in6_addr ignored{};
    // A NUL would end it early for inet_pton().
    return parts.host.find('\0') == std::string::npos &&
           ::inet_pton(parts.bracketed ? AF_INET6 : AF_INET, parts.host.c_str(), &ignored) == 1;
}

}  // namespace

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
    const auto parts = cut(text);
    if (!parts || !is_address(*parts)) {
        return std::nullopt;
    }
    const auto port = parse_number(parts->port, kMostPort);
    if (!port) {
        return std::nullopt;
    }
    return ListenAddress{parts->host, static_cast<std::uint16_t>(*port)};
}

std::string wrong_with_listen_address(std::string_view text) {
    const auto parts = cut(text);
    std::string wrong;
    if (!parts) {
        wrong = "has no port";
    } else if (parts->host.empty()) {
        wrong = "has no address";
    } else if (!is_address(*parts)) {
        wrong =
            "has '" + parts->host + "', which is no address in numbers" +
            (parts->host.find(':') != std::string::npos && !parts->bracketed ? " in brackets" : "");
    } else if (parse_number(parts->port, kMostPort).value_or(0) == 0) {
        wrong = "has '" + std::string(parts->port) + "', which is no port from 1 to 65535";
    }
    return wrong.empty() ? wrong : wrong.append(kExpected);
}

}  // namespace shmipc::supervisor
