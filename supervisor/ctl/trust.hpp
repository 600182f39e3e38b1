// Whether what stands where a supervisor's socket should be may be believed, and given orders: not
// what another user has put there. In /tmp anybody may make the directory in which a user's
// supervisor would have its own, and listen there.
//
// The same rule as the supervisor's for its directory: it belongs to whom the socket belongs to and
// nobody else may write to it; and the process that listens is that user's (SO_PEERCRED), so that
// nothing can be swapped between the look and the call.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

namespace shmipc::ctl {

/// What was found at a path; pure data, so that the judgement can be tested without users.
struct SocketSight {
    uid_t directory_owner = 0;
    mode_t directory_mode = 0;
    std::optional<uid_t> socket_owner;  ///< nothing: there is no socket
};

/// The user whose directory this must be by its name (/tmp/shmipc-1000, /run/user/1000/shmipc, with
/// whatever stands before); nothing if the name does not tell.
std::optional<uid_t> owner_by_name(const std::string& directory);

/// Why user `me` should not talk to what is there; empty if nothing speaks against it. Pure.
std::string why_not_trusted(const std::string& socket, const SocketSight& sight, uid_t me);

/// Looks; nothing if there is no such directory, or it may not be looked at: connecting tells why.
std::optional<SocketSight> look_at_socket(const std::string& socket);

/// Throws Failure (kNoPermission) if the directory or the socket at path `socket` is not to be
/// trusted. Returns the owner of the socket, who must be the peer; nothing if there is no socket.
std::optional<uid_t> require_trusted(const std::string& socket);

/// Throws Failure (kNoPermission) unless the process at the other end of `fd`, connected to
/// `socket`, is run by `owner`.
void require_peer(const std::string& socket, int fd, uid_t owner);

}  // namespace shmipc::ctl
