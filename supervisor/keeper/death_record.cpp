#include "death_record.hpp"

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
    ++counter_of(tally_, kind_of(certificate));
    last_.push_back(std::move(certificate));
    if (last_.size() > kDeathsKept) {
        last_.pop_front();
    }
}

}  // namespace shmipc::supervisor
