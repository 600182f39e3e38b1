// A way into the journal for programs that know nothing of it: what they write to standard output
// and error arrives there line by line, under a name of its own.
//
// Protocol: systemd's "stdout stream transport" (sd_journal_stream_fd(3) speaks it too, but waits
// for a journald that is busy, and a supervisor must not).
#pragma once

#include <string>

#include <shmipc/os.hpp>

namespace shmipc::supervisor {

inline constexpr const char* kJournalStreams = "/run/systemd/journal/stdout";

/// A stream whose lines carry `identifier` as SYSLOG_IDENTIFIER, and priority 6 (info) unless they
/// begin with another, as "<3>" does; blocking, for the program that gets it. Does not wait. Empty
/// if journald is not there, or has no room now.
os::Fd open_journal_stream(const std::string& identifier,
                           const std::string& socket = kJournalStreams) noexcept;

}  // namespace shmipc::supervisor
