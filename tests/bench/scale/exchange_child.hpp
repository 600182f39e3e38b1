// The process in which messages are exchanged and logged: the log is one a process, and writes to
// its standard output.
#pragma once

#include "base/log.hpp"
#include "guard.hpp"

#include <cstdint>
#include <string>

namespace shmipc::bench {

/// How an exchange is logged.
struct Logging {
    const char* name = "";
    bool calls = true;  ///< whether the program logs at all, as the stock worker does
    log::Level level = log::Level::kDebug;
    log::Format format = log::Format::kHuman;
    bool read = true;  ///< whether somebody reads what is logged
};

struct Exchanged {
    double ns_per_exchange = 0;
    std::uint64_t lines = 0;    ///< logged
    std::uint64_t arrived = 0;  ///< of them, at whoever reads, in the end
};

/// Forks, measures there, and waits. Throws std::runtime_error if the child fails.
Exchanged exchange_in_child(const Place& place, const Logging& logging, int exchanges);

}  // namespace shmipc::bench
