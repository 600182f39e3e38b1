// Not for users: what inlined code of the public headers needs.
//
// SHMIPC_CHECK: what must hold unless shmipc itself, or the program that calls it, has a bug.
//
// Stays on in Release: a process that goes on with a broken invariant could harm the others of its
// group, a process that aborts cannot. Outcomes that a caller must expect are never checked this
// way; they are error codes (error.hpp).
#pragma once

#include <string_view>

namespace shmipc::detail {

/// Writes "file:line: function: text" to standard error with write(2) alone, and aborts. May be
/// called from any thread, from a signal handler and from a forked child.
[[noreturn]] void fail_check(const char* file, int line, const char* function,
                             std::string_view text) noexcept;

}  // namespace shmipc::detail

/// Aborts with file, line and `text` unless `condition` holds. `text` says what it means, in a
/// sentence for the person who finds it in a log.
#define SHMIPC_CHECK(condition, text) \
    (static_cast<bool>(condition)     \
         ? static_cast<void>(0)       \
         : ::shmipc::detail::fail_check(__FILE__, __LINE__, __func__, "(" #condition ") " text))
