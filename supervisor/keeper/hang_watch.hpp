// Whether a worker hangs: judged by change alone, on the supervisor's own clock. Decisions only.
//
// A worker lives if anything that it writes in shared memory changes: its heartbeat, which the
// library's waits beat while it is idle, its messages, or what it reads. Idle is so never hung, and
// slow is not either as long as something comes within the limit.
//
// Time counts only while the supervisor itself looks: between two looks at most kLongestGap, and no
// more than two fifths of the limit, so that no single look after a pause condemns anybody. Else
// one that was suspended together with its workers, or starved on a busy machine, would find them
// all silent and kill what is well (varnish #2750).
#pragma once

#include <chrono>
#include <cstdint>

namespace shmipc::supervisor {

struct LifeSigns {
    std::uint64_t heartbeat = 0;
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    friend constexpr bool operator==(const LifeSigns&, const LifeSigns&) = default;
};

class HangWatch {
  public:
    using Clock = std::chrono::steady_clock;
    /// Twice the time between two looks, which is a fifth of the limit if that is shorter.
    static constexpr std::chrono::milliseconds kLongestGap{2'000};

    enum class Verdict : std::uint8_t {
        kAlive,
        kRecovered,  ///< alive, after it had been kSilent
        kSilent,     ///< for half of the limit; told once
        kHung,       ///< for the limit
    };

    /// Begins with a worker that has just told that it is ready.
    void begin(Clock::time_point now) noexcept;
    /// `limit` 0: never kSilent nor kHung.
    Verdict look(Clock::time_point now, const LifeSigns& signs,
                 std::chrono::milliseconds limit) noexcept;
    /// Nothing is held against it that happened until now: it could not have given a sign.
    void excuse(Clock::time_point now) noexcept;
    /// For how long there had been no sign at the last look.
    [[nodiscard]] Clock::duration silence() const noexcept { return silence_; }
    /// For how long there has been none now, by the signs that are there now.
    [[nodiscard]] Clock::duration silence(Clock::time_point now,
                                          const LifeSigns& signs) const noexcept;

  private:
    LifeSigns last_;
    Clock::time_point looked_at_{};
    Clock::duration silence_{0};
    bool told_ = false;
};

}  // namespace shmipc::supervisor
