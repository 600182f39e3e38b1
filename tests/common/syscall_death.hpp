// Deaths and failures at the system calls of birth and removal: this test program has its own
// linkat(), unlink() and posix_fallocate(), which come to grief before the call asked for.
#pragma once

#include <optional>

#include <sys/types.h>

namespace shmipc::test {

enum class Call { kNone, kReserve, kLink, kUnlink };

/// From here on the `count`-th call of that kind, counted from 0, is death by SIGKILL.
void die_at(Call call, int count) noexcept;

/// The same, but the call fails with `error`.
void fail_at(Call call, int count, int error) noexcept;

/// geteuid() says this from here on; nothing: the truth.
void pretend_user(std::optional<uid_t> user) noexcept;

}  // namespace shmipc::test
