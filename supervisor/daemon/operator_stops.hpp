// Which workers the operator has stopped: kept in a file of the runtime directory, so that a stop
// lasts over the supervisor's own death.
//
// The file has a worker's number a line, and is missing where there is none. It is replaced as a
// whole (rename), so that a death leaves the old or the new one. One thread; blocks for as long as
// writing a few bytes to a memory file system takes.
#pragma once

#include <shmipc/ids.hpp>

#include <cstdint>
#include <set>
#include <string>

namespace shmipc::supervisor {

class OperatorStops {
  public:
    /// Reads the file if there is one. Lines that are no number of a worker below `workers` are
    /// ignored, with a warning in the log.
    OperatorStops(std::string path, std::uint32_t workers);

    [[nodiscard]] bool empty() const noexcept { return stopped_.empty(); }
    [[nodiscard]] bool contains(WorkerIndex index) const;
    /// What cannot be written is logged, and holds until the supervisor ends.
    void set(WorkerIndex index, bool stopped);
    /// Writes the file again if there should be one, and somebody has removed it. True if so.
    /// Throws Error.
    bool restore() const;
    /// The group ends in order: the next start is a new one.
    void forget();

  private:
    void write() const;

    std::string path_;
    std::set<std::uint32_t> stopped_;
};

}  // namespace shmipc::supervisor
