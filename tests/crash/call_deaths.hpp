// Programs killed at their system calls.
#pragma once

#include "arena.hpp"
#include "toll.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace shmipc::crash {

/// A death at every `stride`-th entry and exit of the system calls of the stock worker's start.
void worker_deaths(Toll& toll, std::uint32_t stride);
/// The same for the supervisor's start, and for its care of a worker that was killed.
void supervisor_deaths(Toll& toll, std::uint32_t stride);

/// Sequence of the last message of a stock worker, which counts its messages: checks that the
/// message says the same.
std::uint64_t stock_sequence(const std::string& group, WorkerIndex index);

/// Runs `play` for every `stride`-th of the places 0 … `places`; one that throws counts as harm.
void kill_at_each(Toll& toll, std::uint32_t places, std::uint32_t stride,
                  const std::function<void(std::uint32_t place)>& play);

}  // namespace shmipc::crash
