#include "table.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>

namespace shmipc::crash {

namespace {

/// Enough to see what is wrong, then the test gives up: a broken protocol fails thousands of times
/// in the same way, and each time may take as long as the patience with a hanging worker.
constexpr std::uint64_t kFailuresAtMost = 20;

unsigned long long printable(std::uint64_t number) {
    return number;
}

}  // namespace

Table::Row& Table::row(const std::string& operation) {
    if (!rows_.contains(operation)) {
        order_.push_back(operation);
    }
    return rows_[operation];
}

void Table::died(const std::string& operation, protocol::Step step) {
    ++row(operation).deaths[step];
    ++deaths_;
}

void Table::failed(const std::string& operation, const std::string& where,
                   const std::string& text) {
    ++row(operation).failures;
    ++failures_;
    std::printf("FAILED %s, %s\n       %s\n", operation.c_str(), where.c_str(), text.c_str());
}

void Table::took(const std::string& operation, std::chrono::nanoseconds time) {
    row(operation).time += time;
}

void Table::print() const {
    std::printf("%-44s %8s %8s %9s\n", "operation", "deaths", "failed", "time");
    for (const std::string& operation : order_) {
        const Row& row = rows_.at(operation);
        std::uint64_t sum = 0;
        for (const auto& [step, count] : row.deaths) {
            sum += count;
        }
        const std::chrono::duration<double> seconds = row.time;
        std::printf("%-44s %8llu %8llu %8.2fs\n", operation.c_str(), printable(sum),
                    printable(row.failures), seconds.count());
        for (const auto& [step, count] : row.deaths) {
            std::printf("    %-40s %8llu\n", to_string(step).c_str(), printable(count));
        }
    }
    std::printf("%-44s %8llu %8llu\n", "total", printable(deaths_), printable(failures_));
}

void explore(Table& table, const std::string& operation, const std::string& where,
             const Round& round) {
    if (table.failures() >= kFailuresAtMost) {
        return;
    }
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Place> path;
    try {
        path = round(Place{});
    } catch (const std::exception& error) {
        table.failed(operation, where + ", no death", error.what());
    }
    for (std::size_t i = 0; i < path.size() && table.failures() < kFailuresAtMost; ++i) {
        try {
            round(path[i]);
            table.died(operation, path[i].step);
        } catch (const std::exception& error) {
            table.failed(operation, where + ", death before " + to_string(path[i]), error.what());
        }
    }
    table.took(operation, std::chrono::steady_clock::now() - begin);
}

}  // namespace shmipc::crash
