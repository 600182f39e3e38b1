#include "place.hpp"

#include "shared/runtime_dir.hpp"

#include <algorithm>

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

std::vector<std::string> socket_candidates(const Place& place, const Surroundings& here) {
    if (!place.socket.empty()) {
        return {place.socket};
    }
    if (!place.runtime_dir.empty()) {
        return {supervisor::control_socket(place.runtime_dir, place.group)};
    }
    std::vector<std::string> paths;
    const auto add = [&](std::string_view directory) {
        std::string path = supervisor::control_socket(directory, place.group);
        if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
            paths.push_back(std::move(path));
        }
    };
    const std::string service = supervisor::service_directory(here.service);
    if (!service.empty()) {
        add(service);
    }
    // A service without a session has none in /tmp, where anybody could put one.
    if (service.empty() || here.session != nullptr) {
        add(supervisor::runtime_directory_of(here.uid, here.session));
    }
    add(supervisor::kSystemRuntimeDirectory);
    add(supervisor::system_runtime_directory_of(place.group));
    return paths;
}

}  // namespace shmipc::ctl
