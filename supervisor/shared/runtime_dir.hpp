// Where a supervisor keeps its own files, and where its clients look for its socket. Linked by the
// supervisor and by shmipcctl, so that both mean the same place. Pure, but for runtime_directory().
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

/// What the units of the system make for `group` besides, owned by whatever User= they have:
/// /run/shmipc-<group>.
std::string system_runtime_directory_of(std::string_view group);

/// The first directory of $RUNTIME_DIRECTORY, which a service manager made for this service alone;
/// empty if `variable` is null or names none.
std::string service_directory(const char* variable);

/// Of a service for which `made` was made: `shared`, the place of all groups of one user, if this
/// process's user owns it and may write there; else `made`. So a unit with another User= takes
/// nothing away from the other groups. Looks at `shared`.
std::string runtime_directory_of_service(const std::string& shared, const std::string& made);

/// `configured` if it is not empty; else that of this service, if it is one that has a directory;
/// else that of this process's user and environment.
std::string runtime_directory(const std::string& configured);

/// The socket of the supervisor of `group` in `directory`.
std::string control_socket(std::string_view directory, std::string_view group);

}  // namespace shmipc::supervisor
