#include "death_record.hpp"

#include <algorithm>
#include <utility>

namespace shmipc::supervisor {
namespace {

std::uint64_t& counter_of(DeathTally& tally, DeathKind kind) noexcept {
    switch (kind) {
        case DeathKind::kExited:
            return tally.exited;
        case DeathKind::kKilled:
            return tally.killed;
        case DeathKind::kDumped:
            return tally.dumped;
        case DeathKind::kOutOfMemory:
            return tally.out_of_memory;
        case DeathKind::kNotStarted:
            return tally.not_started;
        case DeathKind::kUnknown:
            break;
    }
    return tally.unknown;
}

}  // namespace

void DeathRecord::add(Certificate certificate) {
    ++(certificate.ordered ? ordered_ : counter_of(tally_, kind_of(certificate)));
    last_.push_back(std::move(certificate));
    if (last_.size() > kDeathsKept) {
        // Of an ordered end there is little to learn: the oldest goes first, but for the last end.
        const auto ordered = std::find_if(last_.begin(), last_.end() - 1,
                                          [](const Certificate& end) { return end.ordered; });
        last_.erase(ordered != last_.end() - 1 ? ordered : last_.begin());
    }
}

const Certificate* DeathRecord::last_death() const noexcept {
    const auto death = std::find_if(last_.rbegin(), last_.rend(),
                                    [](const Certificate& end) { return !end.ordered; });
    return death == last_.rend() ? nullptr : &*death;
}

}  // namespace shmipc::supervisor
