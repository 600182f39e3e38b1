#include "toml_depth.hpp"

#include <algorithm>
#include <vector>

namespace shmipc::supervisor {
namespace {

/// Strings of three quotes may end with one or two more, which belong to them.
constexpr std::size_t kMostClosingQuotes = 5;

/// Walks over a text; each member function leaves it behind what it has read.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    [[nodiscard]] bool at_end() const noexcept { return at_ >= text_.size(); }
    [[nodiscard]] char take() noexcept { return text_[at_++]; }
    [[nodiscard]] TextPlace place_of_last() const noexcept {
        const std::string_view before = text_.substr(0, at_ - 1);
        const std::size_t newline = before.rfind('\n');
        return {
            .line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')),
            .column = newline == std::string_view::npos ? at_ : at_ - 1 - newline};
    }

    void skip_comment() noexcept { at_ = std::min(text_.find('\n', at_), text_.size()); }

    /// The first quote has been taken.
    void skip_string(char quote) noexcept {
        if (quotes(quote, 2) == 2) {
            at_ += 2;
            skip_to_closing(quote);
            return;
        }
        while (!at_end() && text_[at_] != '\n') {
            const char c = take();
            if (c == quote) {
                return;
            }
            skip_escaped(c, quote);
        }
    }

  private:
    void skip_to_closing(char quote) noexcept {
        while (!at_end()) {
            const std::size_t run = quotes(quote, kMostClosingQuotes);
            at_ += run;
            if (run >= 3) {
                return;
            }
            if (run == 0) {
                skip_escaped(take(), quote);
            }
        }
    }
    /// What a backslash takes the meaning from; literal strings have none.
    void skip_escaped(char before, char quote) noexcept {
        if (before == '\\' && quote == '"' && !at_end() && text_[at_] != '\n') {
            ++at_;
        }
    }
    [[nodiscard]] std::size_t quotes(char quote, std::size_t most) const noexcept {
        std::size_t run = 0;
        while (run < most && at_ + run < text_.size() && text_[at_ + run] == quote) {
            ++run;
        }
        return run;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::optional<TextPlace> deeper_than(std::string_view toml, std::size_t most) {
    Scanner scanner(toml);
    std::vector<std::size_t> enclosing;  // for each bracket that is open: the depth outside it
    std::size_t depth = 0;
    while (!scanner.at_end()) {
        switch (const char c = scanner.take()) {
            case '"':
            case '\'':
                scanner.skip_string(c);
                break;
            case '#':
                scanner.skip_comment();
                break;
            case '[':
            case '{':
                enclosing.push_back(depth);
                ++depth;
                break;
            case ']':
            case '}':
                if (!enclosing.empty()) {
                    depth = enclosing.back();
                    enclosing.pop_back();
                }
                break;
            case '.':
                ++depth;
                break;
            case ',':
                // The next element, or the next key of an inline table.
                depth = enclosing.empty() ? 0 : enclosing.back() + 1;
                break;
            case '\n':
                if (enclosing.empty()) {
                    depth = 0;
                }
                break;
            default:
                break;
        }
        if (depth > most) {
            return scanner.place_of_last();
        }
    }
    return std::nullopt;
}

}  // namespace shmipc::supervisor
