#include "trust.hpp"

#include "base/os.hpp"
#include "failure.hpp"
#include "printable.hpp"
#include "shared/text.hpp"

#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace shmipc::ctl {
namespace {

constexpr std::uint64_t kMostUid = UINT32_MAX - 1;

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string user_text(uid_t uid) {
    const passwd* const user = ::getpwuid(uid);
    return "user " + (user == nullptr
                          ? std::to_string(uid)
                          : printable(user->pw_name) + " (uid " + std::to_string(uid) + ')');
}

Failure untrusted(const std::string& socket, const std::string& reason) {
    return {ExitCode::kNoPermission,
            "not talking to what is at " + socket + ", since it may not be the supervisor: " +
                reason + ". Have " + directory_of(socket) +
                " removed by whoever may; or run the supervisor with --runtime-dir in a directory "
                "that is its user's alone, and name that here with --runtime-dir",
            reason};
}

}  // namespace

std::optional<uid_t> owner_by_name(const std::string& directory) {
    const auto number_after = [](std::string_view text,
                                 std::string_view before) -> std::optional<uid_t> {
        if (text.substr(0, before.size()) != before) {
            return std::nullopt;
        }
        const auto number = supervisor::parse_number(text.substr(before.size()), kMostUid);
        return number ? std::optional(static_cast<uid_t>(*number)) : std::nullopt;
    };
    std::string_view rest(directory);
    while (rest.size() > 1 && rest.back() == '/') {
        rest.remove_suffix(1);
    }
    constexpr std::string_view kSession = "/shmipc";
    if (rest.size() > kSession.size() && rest.substr(rest.size() - kSession.size()) == kSession) {
        return number_after(rest.substr(0, rest.size() - kSession.size()), "/run/user/");
    }
    return number_after(rest, "/tmp/shmipc-");
}

std::string why_not_trusted(const std::string& socket, const SocketSight& sight, uid_t me) {
    const std::string directory = directory_of(socket);
    const auto expected = owner_by_name(directory);
    if (expected && sight.directory_owner != *expected) {
        return directory + " belongs to " + user_text(sight.directory_owner) + ", and should to " +
               user_text(*expected);
    }
    const bool others_write = (sight.directory_mode & (S_IWGRP | S_IWOTH)) != 0;
    if (others_write && (sight.directory_mode & S_ISVTX) == 0) {
        return directory + " may be written to by others than " + user_text(sight.directory_owner);
    }
    if (!sight.socket_owner) {
        return {};
    }
    const uid_t owner = *sight.socket_owner;
    // In a directory like /tmp only the owner can replace what is there, but anybody can be first.
    if (others_write && owner != 0 && owner != me) {
        return socket + " belongs to " + user_text(owner) + ", in a directory that is open to all";
    }
    if (sight.directory_owner != owner && sight.directory_owner != 0) {
        return socket + " belongs to " + user_text(owner) + ", but its directory to " +
               user_text(sight.directory_owner);
    }
    return {};
}

std::optional<SocketSight> look_at_socket(const std::string& socket) {
    const os::Fd directory(os::retry(
        [&] { return ::open(directory_of(socket).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); }));
    struct stat status {};
    if (!directory || ::fstat(directory.get(), &status) != 0) {
        return std::nullopt;
    }
    SocketSight sight{.directory_owner = status.st_uid,
                      .directory_mode = status.st_mode,
                      .socket_owner = std::nullopt};
    const std::string name = socket.substr(socket.rfind('/') + 1);
    if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        sight.socket_owner = status.st_uid;
    }
    return sight;
}

std::optional<uid_t> require_trusted(const std::string& socket) {
    const auto sight = look_at_socket(socket);
    if (!sight) {
        return std::nullopt;
    }
    if (const std::string reason = why_not_trusted(socket, *sight, ::geteuid()); !reason.empty()) {
        throw untrusted(socket, reason);
    }
    return sight->socket_owner;
}

void require_peer(const std::string& socket, int fd, uid_t owner) {
    ucred peer{};
    socklen_t length = sizeof peer;
    os::require("getsockopt(SO_PEERCRED, " + socket + ")",
                [&] { return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length); });
    if (peer.uid != owner) {
        throw untrusted(socket, "it belongs to " + user_text(owner) +
                                    ", but the process that listens there (pid " +
                                    std::to_string(peer.pid) + ") is run by " +
                                    user_text(peer.uid));
    }
}

}  // namespace shmipc::ctl
