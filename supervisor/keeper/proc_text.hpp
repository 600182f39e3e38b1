// The kernel's texts about a process in /proc: read whole up to a bound, and taken apart.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace shmipc::supervisor {

/// At most `most` bytes of /proc/<pid>/<name>; nothing if there is no such process, it may not be
/// read, or is empty.
std::optional<std::string> read_proc(pid_t pid, const char* name, std::size_t most = 8192);

/// Field `number` of stat, counted as proc(5) does; only those after the name, which may contain
/// anything and ends at the last parenthesis.
std::string_view stat_field(std::string_view stat, int number) noexcept;

}  // namespace shmipc::supervisor
