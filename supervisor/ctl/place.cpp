#include "place.hpp"

#include "shared/runtime_dir.hpp"

namespace shmipc::ctl {

std::string Place::command(const std::string& command) const {
    std::string text = "shmipcctl ";
    if (group != Place{}.group) {
        text += "--group " + group + ' ';
    }
    if (!socket.empty()) {
        text += "--socket " + socket + ' ';
    } else if (!runtime_dir.empty()) {
        text += "--runtime-dir " + runtime_dir + ' ';
    }
    return text + command;
}

std::vector<std::string> socket_candidates(const Place& place, uid_t uid, const char* session) {
    if (!place.socket.empty()) {
        return {place.socket};
    }
    if (!place.runtime_dir.empty()) {
        return {supervisor::control_socket(place.runtime_dir, place.group)};
    }
    const std::string own =
        supervisor::control_socket(supervisor::runtime_directory_of(uid, session), place.group);
    const std::string system =
        supervisor::control_socket(supervisor::kSystemRuntimeDirectory, place.group);
    return own == system ? std::vector{own} : std::vector{own, system};
}

}  // namespace shmipc::ctl
