// The journal as a place for log entries: journald's native protocol, which never waits. Where
// log.cpp writes them. (sd_journal_send(3) would wait for a journald that is stopped, and
// spdlog's sink knows no fields.)
//
// An entry that journald does not take now, because its queue is full or it is not there, is kept,
// up to kMaxJournalBacklog bytes. One that is too long for a datagram goes as a sealed memfd.
//
// Not thread-safe: its owner holds a lock.
#pragma once

#include "os.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace shmipc::log::detail {

inline constexpr std::size_t kMaxJournalBacklog = std::size_t{1024} * 1024;

class JournalOutput {
  public:
    /// `socket`: the path at which journald listens.
    explicit JournalOutput(std::string socket);

    /// True: handed over, or kept for later, up to `most_kept` bytes. False: not a byte was, since
    /// too much is kept already, or the system has no memory or descriptor for it.
    bool write_entry(std::string entry, std::size_t most_kept = kMaxJournalBacklog);
    /// Hands over what was kept, waiting for room until `deadline`. False: some is left, since the
    /// time is over or nobody listens. If there is time left, waits until journald has read it all,
    /// but no longer than 100 ms: it looks at the sender's process to know of what unit a line is,
    /// and one that has ended is of none.
    bool flush(std::chrono::steady_clock::time_point deadline) noexcept;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    enum class Sent { kYes, kLater, kNever };

    bool send_kept() noexcept;
    Sent send(std::string_view entry) noexcept;
    Sent send_datagram(std::string_view entry) noexcept;
    Sent send_memfd(std::string_view entry) noexcept;
    bool connect() noexcept;
    void wait_until_read(std::chrono::steady_clock::time_point deadline) const noexcept;

    std::string path_;
    os::Fd socket_;
    bool connected_ = false;
    std::deque<std::string> kept_;
    std::size_t kept_bytes_ = 0;
};

/// Whether standard output leads to the journal, as the environment (JOURNAL_STREAM) tells and the
/// descriptors confirm.
bool output_is_journal() noexcept;

}  // namespace shmipc::log::detail
