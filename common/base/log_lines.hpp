// How one log record is written: as a line for people, as a line of JSON, as an entry of the
// journal. Pure functions; used by log.cpp alone.
#pragma once

#include "log.hpp"
#include "log_relay.hpp"

#include <chrono>
#include <span>
#include <string>
#include <string_view>

namespace shmipc::log::detail {

struct Record {
    std::chrono::system_clock::time_point time;
    Level level = Level::kInfo;
    Event event = Event::kMessage;
    std::string_view message;
    std::span<const Field> fields;
    Place where;
};

/// Ends in a newline, and is at most kMaxLine long, like json_line().
std::string human_line(const Options& options, const Record& record);
std::string json_line(const Options& options, const Record& record);
/// One datagram of systemd's journal export format ("Native Journal Protocol"), of any length:
/// nothing is cut, and a value may hold newlines and any bytes. A field whose name the journal
/// would refuse is left out: a name is 1 to 64 of A-Z, 0-9, '_', and begins with a letter.
std::string journal_entry(const Options& options, const Record& record);

/// The same three for a line of another program; kMaxRelayedLine is their limit.
std::string human_line(const Relayed& line);
std::string json_line(const Options& options, const Relayed& line,
                      std::chrono::system_clock::time_point time);
std::string journal_entry(const Options& options, const Relayed& line);

}  // namespace shmipc::log::detail
