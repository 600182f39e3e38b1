// Where a storm takes place: a group, a directory and a supervisor of its own, all gone with it.
#pragma once

#include "process.hpp"
#include "scratch.hpp"
#include "varlink/client.hpp"

#include <boost/json/array.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::test {

class Stage {
  public:
    explicit Stage(std::uint32_t workers);

    [[nodiscard]] const std::string& group() const noexcept { return group_.name(); }
    [[nodiscard]] std::uint32_t workers() const noexcept { return workers_; }
    [[nodiscard]] Process start_supervisor() const;
    /// Waits until all workers are ready for the first time.
    void wait_until_ready(Process& supervisor) const;
    [[nodiscard]] varlink::Client connect() const;

  private:
    Scratch scratch_;
    TestGroup group_;
    std::uint32_t workers_;
};

/// Descriptors and resident memory of a process, by /proc.
struct Footprint {
    std::size_t descriptors = 0;
    std::uint64_t resident_kib = 0;
};
Footprint footprint_of(pid_t pid);

/// "p50 1.2 ms, p99 3.4 ms, max 5.6 ms".
std::string percentiles(std::vector<std::chrono::nanoseconds> times);

/// A wrong outcome is printed, and remembered for the exit code.
class Verdict {
  public:
    void require(bool holds, const std::string& what);
    [[nodiscard]] bool good() const noexcept { return good_; }

  private:
    bool good_ = true;
};

}  // namespace shmipc::test
