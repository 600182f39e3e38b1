// Whether a file could be executed, and if not, why: before a worker is stopped for it, and for the
// text about one that failed.
//
// The kernel's own answer names no cause: for a script whose interpreter is missing, and for a
// program whose loader is, it says "No such file or directory" of a file that is there. Looks at
// the file system alone; what it finds may be different a moment later, so exec has the last word.
#pragma once

#include <string>

namespace shmipc::supervisor {

/// "No such file or directory", "its interpreter /usr/bin/nope cannot be executed: …"; empty if
/// nothing speaks against it. `path` as find_program() gives it. By our effective user.
std::string why_not_executable(const std::string& path);

}  // namespace shmipc::supervisor
