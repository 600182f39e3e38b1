#include "access.hpp"

#include <shmipc/error.hpp>

#include <algorithm>
#include <cerrno>

#include <grp.h>
#include <sys/socket.h>

namespace shmipc::supervisor {

using varlink::Rights;

Rights rights_of(uid_t uid, const std::vector<gid_t>& groups, const AccessRule& rule) {
    const auto is_in = [&](gid_t group) {
        return std::find(groups.begin(), groups.end(), group) != groups.end();
    };
    if (uid == 0 || uid == rule.owner || is_in(rule.group)) {
        return Rights::kOrder;
    }
    return is_in(rule.observers) ? Rights::kLook : Rights::kNone;
}

std::vector<gid_t> groups_of_peer(int socket, gid_t gid) {
    std::vector<gid_t> groups(64);
    for (;;) {
        auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) == 0) {
            groups.resize(length / sizeof(gid_t));
            break;
        }
        const std::size_t needed = length / sizeof(gid_t);
        if (errno != ERANGE || needed <= groups.size()) {
            groups.clear();
            break;
        }
        groups.resize(needed);  // 65,536 at the most, as the kernel allows
    }
    groups.push_back(gid);
    return groups;
}

gid_t observers_group(const std::string& name) {
    errno = 0;
    const group* const found = ::getgrnam(name.c_str());
    if (found == nullptr) {
        throw Error(Errc::kSystem, "key 'observers' names group '" + name +
                                       "', which does not exist: make it (groupadd " + name +
                                       "), or name another");
    }
    return found->gr_gid;
}

}  // namespace shmipc::supervisor
