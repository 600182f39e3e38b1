// The system calls behind protocol/sleep.hpp: a shared futex and membarrier.
#pragma once

#include <shmipc/layout.hpp>

#include <chrono>
#include <cstdint>

namespace shmipc::detail {

/// Registers this process as one whose processors a sleeper's barrier() reaches. False: this
/// kernel, or a system-call filter, has no such membarrier; the producer must use fences then.
bool register_for_barrier() noexcept;

/// A full memory barrier on this processor and on every one that runs a registered process. False:
/// only on this one.
bool barrier() noexcept;

/// Sleeps while `word` is `expected`, until it is woken, a signal arrives, or `timeout` passes.
/// Returns early for no reason, too: the caller looks again. Not std::atomic::wait, which in
/// libstdc++ is private to a process.
void futex_wait(const layout::SharedU32& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept;

/// Wakes everybody who sleeps on `word`. Async-signal-safe; keeps errno.
void futex_wake(layout::SharedU32& word) noexcept;

}  // namespace shmipc::detail
