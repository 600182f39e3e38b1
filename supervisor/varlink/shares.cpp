#include "shares.hpp"

#include <shmipc/detail/check.hpp>

#include <algorithm>

namespace shmipc::varlink {

std::size_t Shares::limit_of(uid_t uid) const noexcept {
    return privileged(uid) ? together_ : std::min(each_, together_);
}

std::optional<Shares::Refusal> Shares::enter(uid_t uid) {
    const auto found = places_.find(uid);
    const std::size_t taken = found == places_.end() ? 0 : found->second;
    if (taken >= limit_of(uid)) {
        return Refusal::kUser;
    }
    if (!privileged(uid) && ordinary_ >= together_) {
        return Refusal::kEverybody;
    }
    ++places_[uid];
    ordinary_ += privileged(uid) ? 0U : 1U;
    return std::nullopt;
}

void Shares::leave(uid_t uid) noexcept {
    const auto found = places_.find(uid);
    SHMIPC_CHECK(found != places_.end(), "who leaves has entered");
    if (--found->second == 0) {
        places_.erase(found);
    }
    ordinary_ -= privileged(uid) ? 0U : 1U;
}

}  // namespace shmipc::varlink
