// The address of a Unix socket with a name in the file system.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>

namespace shmipc::os {

/// Bytes of a path; the field holds a NUL besides.
inline constexpr std::size_t kLongestSocketPath = sizeof(sockaddr_un::sun_path) - 1;

/// Nothing if the path is empty, holds a NUL, or is too long to be a socket's.
inline std::optional<sockaddr_un> to_address(const std::string& path) noexcept {
    sockaddr_un address{};
    if (path.empty() || path.size() > kLongestSocketPath || path.find('\0') != std::string::npos) {
        return std::nullopt;
    }
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    return address;
}

/// What bind(2) and connect(2) take.
inline const sockaddr* generic(const sockaddr_un& address) noexcept {
    return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace shmipc::os
