#include "log_path.hpp"

#include "exchange_child.hpp"
#include <shmipc/group.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <system_error>

namespace shmipc::bench {
namespace {

constexpr auto kWays = std::to_array<Logging>({
    {.name = "no log call, level debug", .calls = false},
    {.name = "level info, and a flush", .level = log::Level::kInfo},
    {.name = "human lines, pipe is read"},
    {.name = "human lines, nobody reads", .read = false},
    {.name = "JSON lines, pipe is read", .format = log::Format::kJson},
    {.name = "JSON lines, nobody reads", .format = log::Format::kJson, .read = false},
    {.name = "journal reads", .format = log::Format::kJournal},
    {.name = "journal, nobody reads", .format = log::Format::kJournal, .read = false},
});

}  // namespace

std::vector<LogRow> measure_log_path(const Place& place, bool quick) {
    std::vector<LogRow> rows;
    for (const Logging& way : kWays) {
        const bool silent = !way.calls || way.level != log::Level::kDebug;
        const int exchanges = (quick ? 10'000 : 40'000) * (silent ? 10 : 1);
        const Exchanged result = exchange_in_child(place, way, exchanges);
        std::error_code ignored;
        Group::remove(place.group, ignored);
        if (silent && result.lines + result.arrived != 0) {
            throw std::runtime_error("the data path has logged " + std::to_string(result.lines) +
                                     " lines");
        }
        rows.push_back({.how = way.name,
                        .ns_per_exchange = result.ns_per_exchange,
                        .lines = result.lines,
                        .dropped = result.lines - std::min(result.lines, result.arrived)});
    }
    return rows;
}

}  // namespace shmipc::bench
