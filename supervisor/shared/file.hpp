// Small files that somebody else may have put there: opened and read so that nothing that can lie
// under a name holds us up, eats our memory, or is changed by our looking at it.
//
// A FIFO would wait for its other end, a device may never end or act upon being opened, a file may
// be longer than memory. So: regular files only, looked at before they are opened, since an open
// can act, and again after it, since names can be swapped in between; nothing that waits; and a
// bound on what is read, however long the file says that it is, or grows while it is read.
#pragma once

#include "base/os.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace shmipc::supervisor {

/// What a symbolic link in the place of the file means.
enum class Links : std::uint8_t {
    kFollow,  ///< it stands for the file that it leads to
    kRefuse,  ///< nobody has any business to put one there
};

/// Opens the regular file at `path` with `flags` of open(2): an access mode, and O_CREAT if it may
/// be made, with `mode` then. The descriptor is close-on-exec and does not wait. Throws Error:
/// "PATH: cannot be opened: it is a FIFO, expected a regular file", or the system's words, with
/// system_errno().
os::Fd open_regular_file(const std::string& path, int flags, Links links, unsigned mode = 0);

/// The whole text of the regular file at `path`, which has `most_bytes` at the most. Throws Error:
/// "PATH: cannot be read: " and one of the same reasons, or "it is larger than 1 MiB".
std::string read_regular_file(const std::string& path, std::size_t most_bytes, Links links);

/// Puts a regular file of ours with `text` and `mode` in the place of whatever is at `path`, in one
/// instant: it is written as PATH.new, and renamed. What somebody left at that name is not opened,
/// and a link not followed. Throws Error with the call that failed; `path` is as it was then, and
/// PATH.new is gone.
void replace_file(const std::string& path, const std::string& text, unsigned mode);

}  // namespace shmipc::supervisor
