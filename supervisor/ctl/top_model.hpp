// What shmipcctl top shows: what it knows of the group, and the lines for a window of any size.
// Knows neither the terminal nor the connection.
#pragma once

#include "reports.hpp"
#include "styled.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shmipc::ctl {

struct Size {
    std::size_t rows = 0;
    std::size_t columns = 0;
};

enum class Scroll : std::uint8_t { kUp, kDown, kPageUp, kPageDown, kHome, kEnd };

/// "0", "4.2", "812", "12.3 k", "4.56 M".
std::string describe_rate(double per_second);

class TopModel {
  public:
    /// `interval`: between two looks; rates are not taken over much less.
    explicit TopModel(Nanoseconds interval) noexcept : interval_(interval) {}

    /// A supervisor is there. Rates start anew, since its clock and counts may be other ones.
    void connected(StatusReport status);
    void update(const WatchReport& report);
    /// There is none, for `reason`; what was known last stays, dimmed.
    void lost(std::string reason);
    /// There is one, and nothing was heard of it for so long; what was known last stays, dimmed.
    void silent(Nanoseconds since);

    void scroll(Scroll move, Size size);

    /// `size.rows` lines at the most, none wider than `size.columns`. A pure function of what is
    /// known.
    [[nodiscard]] std::vector<Line> lines(Size size) const;

  private:
    struct Rates {
        std::uint64_t written = 0;
        std::uint64_t read = 0;
        Nanoseconds time{0};  ///< of the counts
        std::optional<double> written_rate;
        std::optional<double> read_rate;
    };

    void measure(const WorkerReport& worker, Nanoseconds time);
    [[nodiscard]] Line header(std::size_t columns) const;
    [[nodiscard]] std::vector<Line> table(std::size_t columns) const;
    [[nodiscard]] std::size_t room(Size size) const noexcept;
    [[nodiscard]] std::size_t first_row(Size size) const noexcept;
    [[nodiscard]] std::string footer(Size size) const;

    Nanoseconds interval_;
    std::optional<StatusReport> status_;    ///< kept up to date with what is watched
    std::map<std::uint32_t, Rates> rates_;  ///< by worker
    std::optional<std::string> lost_;
    std::optional<Nanoseconds> silent_;
    std::size_t scrolled_ = 0;  ///< rows above the window, if there are so many
};

}  // namespace shmipc::ctl
