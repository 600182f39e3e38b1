// What a worker writes to its standard output becomes lines: of bounded length, whole ones where it
// wrote whole ones, none hidden behind half of another. And the last of them, for its obituary.
//
// Pure; used by worker_output.hpp.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::supervisor {

/// In bytes, without its newline. A longer line comes out in pieces.
inline constexpr std::size_t kLongestOutputLine = std::size_t{8} * 1024;

class OutputCutter {
  public:
    /// `continues`: the next line is the rest of this one, which was too long.
    using Take = std::function<void(std::string_view line, bool continues)>;

    /// Hands out `most` lines at the most, empty ones left out as the journal does, without the
    /// carriage return of those that end in one. Returns how many of the bytes it has used.
    std::size_t feed(std::string_view bytes, std::size_t most, const Take& take);
    /// Nothing follows: hands out the line that has no end.
    void finish(const Take& take);
    /// Forgets the line that has no end.
    void clear() noexcept { rest_.clear(); }

  private:
    bool hand_out(const Take& take);
    void cut(const Take& take);

    std::string rest_;
};

/// The last lines of a process's output: kLines, and kBytes of them, at the most.
class LastOutput {
  public:
    static constexpr std::size_t kLines = 10;
    static constexpr std::size_t kBytes = std::size_t{2} * 1024;

    /// A line that is very long leaves its start.
    void add(std::string_view line);
    void clear() noexcept;
    /// The oldest first.
    [[nodiscard]] std::vector<std::string> lines() const;

  private:
    std::deque<std::string> lines_;
    std::size_t bytes_ = 0;
};

/// At most `limit` bytes of `text` from its start, and no half character of UTF-8 at the end.
std::string_view start_of(std::string_view text, std::size_t limit) noexcept;

/// Takes "<3>" from the start of a line, as journald does (sd-daemon(3)); `otherwise` if there is
/// none.
int take_priority(std::string_view& line, int otherwise) noexcept;

}  // namespace shmipc::supervisor
