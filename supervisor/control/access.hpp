// Who may do what on the control socket.
//
// Without observers the socket's mode says it all: root, its owner and members of its group connect
// and give orders. With a group of observers (key `observers`) everybody may connect, and each
// connection is judged by what the kernel tells of the process that made it.
#pragma once

#include "varlink/server.hpp"

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::supervisor {

struct AccessRule {
    uid_t owner = 0;      ///< of the supervisor, and of the socket
    gid_t group = 0;      ///< of the socket: its members give orders
    gid_t observers = 0;  ///< whose members look
};

/// Of a process of user `uid`, in `groups`. Pure.
varlink::Rights rights_of(uid_t uid, const std::vector<gid_t>& groups, const AccessRule& rule);

/// All groups of the process that made the connection `socket`, its own one `gid` among them. Only
/// that one if the kernel does not tell.
std::vector<gid_t> groups_of_peer(int socket, gid_t gid);

/// The number of group `name`. Throws Error (kSystem) if there is no such group.
gid_t observers_group(const std::string& name);

}  // namespace shmipc::supervisor
