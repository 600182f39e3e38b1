// Where a supervisor keeps its own files, and where its clients look for its socket. Pure: looks at
// no file. Linked by the supervisor and by shmipcctl, so that both mean the same place.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

namespace shmipc::supervisor {

/// Root's, and so that of the system's service.
inline constexpr std::string_view kSystemRuntimeDirectory = "/run/shmipc";

/// The directory of user `uid` whose session directory ($XDG_RUNTIME_DIR) is `session`, null if
/// there is none: /run/shmipc for root; else <session>/shmipc; else /tmp/shmipc-<uid>.
std::string runtime_directory_of(uid_t uid, const char* session);

/// `configured` if it is not empty; else that of this process's user and environment.
std::string runtime_directory(const std::string& configured);

/// The socket of the supervisor of `group` in `directory`.
std::string control_socket(std::string_view directory, std::string_view group);

}  // namespace shmipc::supervisor
