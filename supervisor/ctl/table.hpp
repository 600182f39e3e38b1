// A table of aligned columns that fits itself into a width. Pure.
#pragma once

#include "styled.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::ctl {

enum class Align : std::uint8_t { kLeft, kRight };

struct Column {
    std::string title;
    Align align = Align::kLeft;
    /// 0: never left out. Of the others the highest is left out first when there is no room.
    unsigned rank = 0;
    /// Cut down to so many columns before anything is left out; 0: shown whole or not at all.
    std::size_t least = 0;
};

struct Table {
    std::vector<Column> columns;
    std::vector<std::vector<Span>> rows;  ///< a cell for each column
};

/// The heading, then a line for each row, none wider than `width`; 0: as wide as it takes.
std::vector<Line> lay_out(const Table& table, std::size_t width);

}  // namespace shmipc::ctl
