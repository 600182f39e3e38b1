// How the lives of one worker ended since the supervisor's start: the last ones in full, all of
// them counted. Ends that somebody ordered are no deaths: they are counted apart, and never push
// one out.
#pragma once

#include "certificate.hpp"
#include "report.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>

namespace shmipc::supervisor {

inline constexpr std::size_t kDeathsKept = 20;

class DeathRecord {
  public:
    void add(Certificate certificate);
    /// Deaths and ordered ends, the oldest first; kDeathsKept at the most.
    [[nodiscard]] const std::deque<Certificate>& last() const noexcept { return last_; }
    /// The last end that nobody ordered; null if there is none among those.
    [[nodiscard]] const Certificate* last_death() const noexcept;
    /// Of the deaths alone.
    [[nodiscard]] const DeathTally& tally() const noexcept { return tally_; }
    [[nodiscard]] std::uint64_t ordered() const noexcept { return ordered_; }

  private:
    std::deque<Certificate> last_;
    DeathTally tally_;
    std::uint64_t ordered_ = 0;
};

}  // namespace shmipc::supervisor
