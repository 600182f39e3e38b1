// Table: the deaths that were placed, by operation and step, and what they broke.
#pragma once

#include "plan.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace shmipc::crash {

class Table {
  public:
    void died(const std::string& operation, protocol::Step step);
    void failed(const std::string& operation, const std::string& where, const std::string& text);
    void took(const std::string& operation, std::chrono::nanoseconds time);

    [[nodiscard]] std::uint64_t deaths() const noexcept { return deaths_; }
    [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }
    /// Operation, deaths, time; below each the steps at which it died and how often.
    void print() const;

  private:
    struct Row {
        std::map<protocol::Step, std::uint64_t> deaths;
        std::uint64_t failures = 0;
        std::chrono::nanoseconds time{0};
    };
    std::map<std::string, Row> rows_;
    std::vector<std::string> order_;
    Row& row(const std::string& operation);
    std::uint64_t deaths_ = 0;
    std::uint64_t failures_ = 0;
};

/// One performance from a fresh group on, in which the victim dies at `death`, or not at all if
/// that is nowhere. Returns the path that the victim took; throws Failure.
using Round = std::function<std::vector<Place>(Place death)>;

/// Plays the round without a death, then once for each place on the victim's path. `where` tells
/// for a failure what distinguishes this round. Plays nothing once the table has many failures.
void explore(Table& table, const std::string& operation, const std::string& where,
             const Round& round);

}  // namespace shmipc::crash
