// How often the last starts of this group's supervisor failed, one after the other: so that a
// service manager which starts it again at once is slowed down, instead of giving it up for good
// after ten seconds of a missing camera. systemd 252 has no backoff of its own.
//
// Kept in a file of the runtime directory: number, CLOCK_BOOTTIME of the last, reason. A start
// counts as failed from its beginning until it has proved good, so that one that crashes counts
// too. What lies there is trusted for a delay and a text, no more. One thread; blocks for as long
// as a few bytes of a memory file system take.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace shmipc::supervisor {

class StartFailures {
  public:
    static constexpr std::chrono::seconds kLongestDelay{60};
    /// What lies back longer is forgotten: somebody starts it anew.
    static constexpr std::chrono::hours kKeptFor{1};

    /// Reads the file if there is one. What is no such file is ignored, with a warning in the log.
    explicit StartFailures(std::string path);

    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
    /// Why the last one failed; may be empty.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    /// How long to wait before the next start: 0 after one failure, then 1 s, 2 s, 4 s, … 60 s.
    [[nodiscard]] static std::chrono::seconds delay_after(std::uint32_t failures) noexcept;

    /// A start begins: the next failure, unless forget() comes.
    void begin();
    /// Why the start that has begun failed.
    void explain(std::string_view reason);
    /// The start is good, or was ended in order.
    void forget();

  private:
    void read();
    void write() const;

    std::string path_;
    std::uint32_t count_ = 0;
    std::string reason_;
};

}  // namespace shmipc::supervisor
