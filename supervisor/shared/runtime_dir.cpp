#include "runtime_dir.hpp"

#include <cstdlib>

#include <unistd.h>

namespace shmipc::supervisor {

std::string runtime_directory_of(uid_t uid, const char* session) {
    if (uid == 0) {
        return std::string(kSystemRuntimeDirectory);
    }
    if (session != nullptr && session[0] == '/') {
        return std::string(session) + "/shmipc";
    }
    return "/tmp/shmipc-" + std::to_string(uid);
}

std::string runtime_directory(const std::string& configured) {
    return configured.empty() ? runtime_directory_of(::geteuid(), std::getenv("XDG_RUNTIME_DIR"))
                              : configured;
}

std::string control_socket(std::string_view directory, std::string_view group) {
    std::string path(directory);
    path += '/';
    path += group;
    path += ".control";
    return path;
}

}  // namespace shmipc::supervisor
