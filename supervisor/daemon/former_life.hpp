// What a supervisor leaves to whoever comes after its sudden death: who belongs to its workers.
//
// Killed with SIGKILL, it takes its workers' main processes along (the kernel sends them SIGKILL,
// child.hpp), but not what those have started. It keeps the name of its life in a file of the
// runtime directory, and the adopted processes that it has seen (kin.hpp). The next supervisor of
// the group, before it takes up the objects, ends all that carries the mark of that life, and those
// of the list; so does the guard (guard.hpp), at once. In order, the file is removed.
//
// The file: a line "<life> <boot id>", and for each process a line "<pid> <start time>", which hold
// until the machine is started anew. It is replaced as a whole (rename). One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace shmipc::supervisor {

/// Processes by pid, with the start time that /proc tells.
using StartTimes = std::map<pid_t, std::uint64_t>;

struct FormerLife {
    std::string life;      ///< empty: there is none
    StartTimes processes;  ///< empty if they were of an earlier boot
};

/// From the file's text; `boot`: the machine's boot id now.
FormerLife parse_former_life(std::string_view text, std::string_view boot);
/// From the file. Anything but a regular file of ours is none, with a warning in the log.
FormerLife read_former_life(const std::string& path);

/// SIGKILL to all processes that belong to the life, until there is none, but for this process and
/// those above it. Waits for their end, up to `patience`. How many there were.
std::size_t end_life(const FormerLife& former, std::chrono::milliseconds patience);

class LifeFile {
  public:
    /// Writes the file. What cannot be written is logged, and the group runs without it.
    LifeFile(std::string path, std::string life);
    /// Removes it: nothing is left of this life.
    ~LifeFile();
    LifeFile(const LifeFile&) = delete;
    LifeFile& operator=(const LifeFile&) = delete;

    /// Writes it anew if the processes are others than before.
    void keep(const StartTimes& processes);

  private:
    void write() const;

    std::string path_;
    std::string life_;
    StartTimes processes_;
};

}  // namespace shmipc::supervisor
