// Waits until a supervisor may listen at one of several paths: for directories and names to come,
// with inotify(7), without asking again and again.
#pragma once

#include "base/os.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::ctl {

class SocketWatch {
  public:
    /// What happens from now on is not missed: make it before the look that finds nothing. Throws
    /// Error for what the system refuses.
    explicit SocketWatch(const std::vector<std::string>& paths);

    /// Returns when something happened to one of the paths, or to what leads there; at the latest
    /// at `deadline`.
    void wait(std::chrono::steady_clock::time_point deadline) const;

  private:
    /// Whether one of the events that are waiting is of our names.
    [[nodiscard]] bool take_events() const;

    os::Fd inotify_;
    std::multimap<int, std::string> names_;  ///< looked for, by the watch of their directory
};

}  // namespace shmipc::ctl
