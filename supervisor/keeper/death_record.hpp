// The deaths of one worker since the supervisor's start: the last ones in full, all of them
// counted.
#pragma once

#include <cstddef>
#include <deque>

#include "certificate.hpp"
#include "report.hpp"

namespace shmipc::supervisor {

inline constexpr std::size_t kDeathsKept = 20;

class DeathRecord {
  public:
    void add(Certificate certificate);
    /// The oldest first; kDeathsKept at the most.
    [[nodiscard]] const std::deque<Certificate>& last() const noexcept { return last_; }
    [[nodiscard]] const DeathTally& tally() const noexcept { return tally_; }

  private:
    std::deque<Certificate> last_;
    DeathTally tally_;
};

}  // namespace shmipc::supervisor
