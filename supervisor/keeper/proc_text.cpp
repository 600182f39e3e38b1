#include "proc_text.hpp"

#include "base/os.hpp"

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

namespace shmipc::supervisor {

std::optional<std::string> read_proc(pid_t pid, const char* name, std::size_t most) {
    constexpr std::size_t kAtOnce = 65536;
    const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
    const os::Fd file(os::retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
    if (!file) {
        return std::nullopt;
    }
    std::string text;
    while (text.size() < most) {
        const std::size_t before = text.size();
        text.resize(std::min(most, before + kAtOnce));
        const ssize_t length = os::retry(
            [&] { return ::read(file.get(), text.data() + before, text.size() - before); });
        text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
        if (length <= 0) {
            break;
        }
    }
    return text.empty() ? std::nullopt : std::optional(std::move(text));
}

std::string_view stat_field(std::string_view stat, int number) noexcept {
    const std::size_t name_end = stat.rfind(") ");
    if (name_end == std::string_view::npos) {
        return {};
    }
    std::string_view rest = stat.substr(name_end + 2);
    for (int i = 3; i < number && !rest.empty(); ++i) {
        const std::size_t blank = rest.find(' ');
        rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
    }
    return rest.substr(0, rest.find_first_of(" \n"));
}

}  // namespace shmipc::supervisor
