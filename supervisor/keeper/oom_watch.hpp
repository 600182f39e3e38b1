// Whether the kernel killed a process because memory had run out: the count of such kills that the
// kernel keeps, compared before and after a death by SIGKILL. It does not say whom it killed; that
// it killed somebody in our control group just when one of our workers died by SIGKILL, and nobody
// here had sent that, is as much as there is to know.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace shmipc::supervisor {

/// The file that counts for this process: memory.events of its control group (version 2); else
/// /proc/vmstat, which counts for the whole machine.
std::string oom_counter_file(std::string_view proc_self_cgroup);

/// Value of the line "oom_kill N".
std::optional<std::uint64_t> parse_oom_kills(std::string_view text);

class OomWatch {
  public:
    /// Reads `file` at each look; a file that is not to be read means that nothing is known.
    explicit OomWatch(std::string file);
    /// Of this process.
    OomWatch();

    /// To be called about once a second: kills that nobody has claimed within kMemory looks were
    /// not of our workers. A death may be known that much later than the kill is counted.
    void look();
    /// A worker died by SIGKILL: true, once for each kill that was counted, if it was that.
    bool claim();

  private:
    static constexpr std::size_t kMemory = 10;
    [[nodiscard]] std::optional<std::uint64_t> read() const;

    std::string file_;
    std::uint64_t accounted_ = 0;  ///< kills that are claimed, or nobody's
    std::deque<std::uint64_t> seen_;
};

}  // namespace shmipc::supervisor
