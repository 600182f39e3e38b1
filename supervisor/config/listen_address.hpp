// Where to listen for TCP, as people write it: "127.0.0.1:9464", "[::1]:9464".
//
// Numbers only: a name would have to be looked up, which blocks, and may mean another address
// tomorrow. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmipc::supervisor {

struct ListenAddress {
    std::string host;  ///< without brackets
    std::uint16_t port = 0;
};

/// Nothing if it is none. Port 0 is one here, and stands for any that is free.
std::optional<ListenAddress> parse_listen_address(std::string_view text);

/// What is wrong with `text` as a configured address, which has a port of its own, and what is
/// expected; empty if nothing is.
std::string wrong_with_listen_address(std::string_view text);

}  // namespace shmipc::supervisor
