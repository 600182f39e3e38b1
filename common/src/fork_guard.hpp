// Keeps a forked child from inheriting a membership: pthread_atfork handlers over all that exist.
#pragma once

namespace shmipc::detail {

class Membership;

/// From here until unregister_for_fork() a child of this process disowns the membership before any
/// of its own code runs. Both from any thread.
void register_for_fork(Membership& membership);
void unregister_for_fork(Membership& membership) noexcept;

}  // namespace shmipc::detail
