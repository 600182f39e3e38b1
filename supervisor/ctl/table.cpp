#include "table.hpp"

#include "printable.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

namespace shmipc::ctl {
namespace {

constexpr std::size_t kGap = 2;

/// Columns that are shown, by their place in the table, and the width of each of the table's.
struct Plan {
    std::vector<std::size_t> shown;
    std::vector<std::size_t> widths;
};

std::vector<std::size_t> natural_widths(const Table& table) {
    std::vector<std::size_t> widths;
    for (const Column& column : table.columns) {
        widths.push_back(columns_of(column.title));
    }
    for (const auto& row : table.rows) {
        for (std::size_t i = 0; i < widths.size(); ++i) {
            widths[i] = std::max(widths[i], columns_of(row.at(i).text));
        }
    }
    return widths;
}

std::size_t total_width(const Plan& plan) {
    std::size_t total = plan.shown.empty() ? 0 : kGap * (plan.shown.size() - 1);
    for (const std::size_t column : plan.shown) {
        total += plan.widths[column];
    }
    return total;
}

/// Cuts columns that allow it, from the right. False if that is not enough.
bool shrink(const Table& table, std::size_t width, Plan& plan) {
    for (auto column = plan.shown.rbegin(); column != plan.shown.rend(); ++column) {
        const std::size_t total = total_width(plan);
        if (total <= width) {
            return true;
        }
        const std::size_t least = table.columns[*column].least;
        std::size_t& own = plan.widths[*column];
        if (least != 0 && own > least) {
            own = std::max(least, own - std::min(own, total - width));
        }
    }
    return total_width(plan) <= width;
}

/// False if there is none to leave out.
bool leave_one_out(const Table& table, std::vector<std::size_t>& shown) {
    const auto worst = std::max_element(shown.begin(), shown.end(), [&](auto a, auto b) {
        return table.columns[a].rank < table.columns[b].rank;
    });
    if (worst == shown.end() || table.columns[*worst].rank == 0) {
        return false;
    }
    shown.erase(worst);
    return true;
}

Plan make_plan(const Table& table, std::size_t width) {
    std::vector<std::size_t> shown(table.columns.size());
    std::iota(shown.begin(), shown.end(), std::size_t{0});
    const std::vector<std::size_t> natural = natural_widths(table);
    for (;;) {
        Plan plan{shown, natural};
        if (width == 0 || shrink(table, width, plan) || !leave_one_out(table, shown)) {
            return plan;
        }
    }
}

/// `cell` is a function of the column's number.
template <class Cell>
Line make_line(const Table& table, const Plan& plan, Cell&& cell) {
    Line line;
    for (std::size_t i = 0; i < plan.shown.size(); ++i) {
        const std::size_t column = plan.shown[i];
        const std::size_t width = plan.widths[column];
        const Span& span = cell(column);
        const std::string text = clip(span.text, width);
        const std::string blanks(width - columns_of(text), ' ');
        const bool right = table.columns[column].align == Align::kRight;
        const bool last = i + 1 == plan.shown.size();
        // Blanks are spans of their own, in no style, and none ends a line.
        line.push_back({(right ? blanks : "") + std::string(i == 0 ? 0 : kGap, ' ')});
        line.push_back({text, span.style});
        line.push_back({right || last ? "" : blanks});
    }
    std::erase_if(line, [](const Span& span) { return span.text.empty(); });
    return line;
}

}  // namespace

std::vector<Line> lay_out(const Table& table, std::size_t width) {
    const Plan plan = make_plan(table, width);
    std::vector<Line> lines;
    std::vector<Span> titles;
    for (const Column& column : table.columns) {
        titles.push_back({column.title, Style::kHeading});
    }
    lines.push_back(
        make_line(table, plan, [&](std::size_t i) -> const Span& { return titles[i]; }));
    for (const auto& row : table.rows) {
        lines.push_back(
            make_line(table, plan, [&](std::size_t i) -> const Span& { return row.at(i); }));
    }
    if (width != 0) {
        for (Line& line : lines) {
            line = clip(line, width);
        }
    }
    return lines;
}

}  // namespace shmipc::ctl
