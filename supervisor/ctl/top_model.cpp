#include "top_model.hpp"

#include "base/units.hpp"
#include "cells.hpp"
#include "printable.hpp"
#include "table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace shmipc::ctl {
namespace {

constexpr std::size_t kHeadLines = 2;  ///< header, titles
constexpr std::size_t kRowsForFooter = 5;

std::vector<Column> top_columns() {
    // By rank: what an operator in a hurry can do without goes first.
    return {{"worker", Align::kRight, 0},      {"state", Align::kLeft, 0},
            {"pid", Align::kRight, 5},         {"uptime", Align::kRight, 3},
            {"restarts", Align::kRight, 4},    {"written/s", Align::kRight, 1},
            {"read/s", Align::kRight, 2},      {"age", Align::kRight, 7},
            {"pins", Align::kRight, 8},        {"heartbeat", Align::kRight, 9},
            {"last exit", Align::kLeft, 6, 14}};
}

Span rate_cell(const std::optional<double>& rate) {
    return {rate ? describe_rate(*rate) : "-"};
}

}  // namespace

std::string describe_rate(double per_second) {
    constexpr double kKilo = 1e3;
    constexpr double kMega = 1e6;
    std::array<char, 32> text{};
    // Thresholds are those of rounding: no "10000", no "1000.0 k".
    if (per_second >= kMega - kKilo / 20) {
        std::snprintf(text.data(), text.size(), "%.2f M", per_second / kMega);
    } else if (per_second >= 10 * kKilo - 0.5) {
        std::snprintf(text.data(), text.size(), "%.1f k", per_second / kKilo);
    } else {
        const bool small = per_second > 0 && per_second < 9.95;
        std::snprintf(text.data(), text.size(), small ? "%.1f" : "%.0f", per_second);
    }
    return text.data();
}

void TopModel::connected(StatusReport status) {
    status_ = std::move(status);
    rates_.clear();
    lost_.reset();
    silent_.reset();
    for (const WorkerReport& worker : status_->workers) {
        measure(worker, status_->time);
    }
}

void TopModel::update(const WatchReport& report) {
    silent_.reset();
    if (!status_) {
        return;
    }
    status_->uptime += std::max(report.time - status_->time, Nanoseconds{0});
    status_->time = report.time;
    for (const WorkerReport& worker : report.workers) {
        auto& known = status_->workers;
        const auto place = std::lower_bound(
            known.begin(), known.end(), worker.index,
            [](const WorkerReport& a, std::uint32_t index) { return a.index < index; });
        if (place != known.end() && place->index == worker.index) {
            *place = worker;
        } else {
            known.insert(place, worker);
        }
        measure(worker, report.time);
    }
    status_->ready = static_cast<std::uint64_t>(
        std::count_if(status_->workers.begin(), status_->workers.end(),
                      [](const WorkerReport& worker) { return worker.state == "running"; }));
}

void TopModel::lost(std::string reason) {
    lost_ = std::move(reason);
    silent_.reset();
}

void TopModel::silent(Nanoseconds since) {
    silent_ = since;
}

void TopModel::measure(const WorkerReport& worker, Nanoseconds time) {
    const auto [place, first_time] = rates_.try_emplace(worker.index);
    Rates& rates = place->second;
    const Nanoseconds passed = time - rates.time;
    const bool went_back =
        worker.written < rates.written || worker.read < rates.read || passed < Nanoseconds{0};
    if (first_time || went_back) {
        rates = {worker.written, worker.read, time, std::nullopt, std::nullopt};
        return;
    }
    if (passed < interval_ / 2 || passed == Nanoseconds{0}) {
        return;  // a change of state was told between two looks
    }
    const double seconds = std::chrono::duration<double>(passed).count();
    rates = {worker.written, worker.read, time,
             static_cast<double>(worker.written - rates.written) / seconds,
             static_cast<double>(worker.read - rates.read) / seconds};
}

std::size_t TopModel::room(Size size) const noexcept {
    const std::size_t taken = kHeadLines + (size.rows >= kRowsForFooter ? 1 : 0);
    return size.rows > taken ? size.rows - taken : 0;
}

std::size_t TopModel::first_row(Size size) const noexcept {
    const std::size_t all = status_ ? status_->workers.size() : 0;
    const std::size_t shown = room(size);
    return all > shown ? std::min(scrolled_, all - shown) : 0;
}

void TopModel::scroll(Scroll move, Size size) {
    const std::size_t page = std::max<std::size_t>(1, room(size));
    const std::size_t now = first_row(size);
    const std::size_t all = status_ ? status_->workers.size() : 0;
    switch (move) {
        case Scroll::kUp:
            scrolled_ = now - std::min<std::size_t>(now, 1);
            break;
        case Scroll::kDown:
            scrolled_ = now + 1;
            break;
        case Scroll::kPageUp:
            scrolled_ = now - std::min(now, page);
            break;
        case Scroll::kPageDown:
            scrolled_ = now + page;
            break;
        case Scroll::kHome:
            scrolled_ = 0;
            break;
        case Scroll::kEnd:
            scrolled_ = all;
            break;
    }
    scrolled_ = first_row(size);
}

Line TopModel::header(std::size_t columns) const {
    const std::string group = status_ ? "group " + status_->group + ": " : "";
    if (silent_) {
        return plain_line(group + "no answer from the supervisor for " +
                              describe_duration(*silent_) + "; is it stopped?",
                          Style::kBad);
    }
    if (!lost_) {
        return plain_line(group + (status_ ? describe_group(*status_) : "asking the supervisor"),
                          Style::kHeading);
    }
    // The reason gives way, so that it can be seen that the rest goes on.
    const std::string before = group + "no supervisor: ";
    const std::string after = "; trying again";
    const std::size_t taken = columns_of(before) + columns_of(after);
    const std::string reason =
        columns > taken ? clip(printable(*lost_), columns - taken) : std::string();
    return plain_line(before + reason + after, Style::kBad);
}

std::vector<Line> TopModel::table(std::size_t columns) const {
    Table table{top_columns(), {}};
    for (const WorkerReport& worker : status_->workers) {
        const auto known = rates_.find(worker.index);
        const Rates rates = known == rates_.end() ? Rates{} : known->second;
        const bool up = worker.pid.has_value();
        table.rows.push_back({count_cell(worker.index), state_cell(worker), number_cell(worker.pid),
                              duration_cell(worker.uptime), count_cell(worker.restarts),
                              rate_cell(up ? rates.written_rate : std::nullopt),
                              rate_cell(up ? rates.read_rate : std::nullopt),
                              duration_cell(worker.message_age), count_cell(worker.pins_held),
                              duration_cell(worker.heartbeat_age), text_cell(worker.last_exit)});
    }
    return lay_out(table, columns);
}

std::string TopModel::footer(Size size) const {
    const std::size_t all = status_ ? status_->workers.size() : 0;
    const std::size_t shown = std::min(all, room(size));
    if (shown == all) {
        return "q leaves";
    }
    const std::size_t first = first_row(size);
    return std::to_string(first + 1) + " to " + std::to_string(first + shown) + " of " +
           std::to_string(all) + " workers; arrows scroll; q leaves";
}

std::vector<Line> TopModel::lines(Size size) const {
    std::vector<Line> lines;
    if (size.rows == 0 || size.columns == 0) {
        return lines;
    }
    lines.push_back(clip(header(size.columns), size.columns));
    if (status_) {
        const std::vector<Line> all = table(size.columns);
        lines.push_back(all.front());
        for (std::size_t i = 0; i < room(size) && first_row(size) + i + 1 < all.size(); ++i) {
            lines.push_back(all[first_row(size) + i + 1]);
        }
        if (size.rows >= kRowsForFooter) {
            lines.push_back(clip(plain_line(footer(size), Style::kDim), size.columns));
        }
    }
    lines.resize(std::min(lines.size(), size.rows));
    for (std::size_t i = 1; (lost_ || silent_) && i < lines.size(); ++i) {
        for (Span& span : lines[i]) {
            span.style = Style::kDim;
        }
    }
    return lines;
}

}  // namespace shmipc::ctl
