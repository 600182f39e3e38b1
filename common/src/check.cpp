#include <shmipc/detail/check.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>

#include <unistd.h>

namespace shmipc::detail {

namespace {

/// A text of bounded length, put together without allocation.
class Line {
  public:
    void add(std::string_view part) noexcept {
        for (const char c : part) {
            if (used_ + 1 < text_.size()) {
                text_[used_++] = c;
            }
        }
    }
    void add(int number) noexcept {
        std::array<char, 12> digits{};
        std::size_t first = digits.size();
        do {
            digits[--first] = static_cast<char>('0' + number % 10);
            number /= 10;
        } while (number > 0);
        add(std::string_view(&digits[first], digits.size() - first));
    }
    void write() noexcept {
        text_[used_++] = '\n';
        // Nothing can be done about a failure: the process is about to abort.
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text_.data(), used_);
    }

  private:
    std::array<char, 1024> text_{};
    std::size_t used_ = 0;
};

}  // namespace

void fail_check(const char* file, int line, const char* function, std::string_view text) noexcept {
    Line message;
    message.add("shmipc: check failed: ");
    message.add(file);
    message.add(":");
    message.add(line);
    message.add(": ");
    message.add(function);
    message.add(": ");
    message.add(text);
    message.write();
    std::abort();
}

}  // namespace shmipc::detail
