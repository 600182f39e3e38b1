#include "runtime_dir.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
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

std::string system_runtime_directory_of(std::string_view group) {
    std::string path(kSystemRuntimeDirectory);
    path += '-';
    path += group;
    return path;
}

std::string service_directory(const char* variable) {
    const std::string_view list(variable == nullptr ? "" : variable);
    const std::string_view first = list.substr(0, list.find(':'));
    return first.starts_with('/') ? std::string(first) : std::string();
}

std::string runtime_directory_of_service(const std::string& shared, const std::string& made) {
    struct stat status {};
    const bool ours = ::lstat(shared.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
                      status.st_uid == ::geteuid() &&
                      ::faccessat(AT_FDCWD, shared.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
    return ours ? shared : made;
}

std::string runtime_directory(const std::string& configured) {
    if (!configured.empty()) {
        return configured;
    }
    const std::string made = service_directory(std::getenv("RUNTIME_DIRECTORY"));
    if (!made.empty()) {
        return runtime_directory_of_service(std::string(kSystemRuntimeDirectory), made);
    }
    return runtime_directory_of(::geteuid(), std::getenv("XDG_RUNTIME_DIR"));
}

std::string control_socket(std::string_view directory, std::string_view group) {
    std::string path(directory);
    path += '/';
    path += group;
    path += ".control";
    return path;
}

}  // namespace shmipc::supervisor
