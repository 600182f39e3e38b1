#include "workloads_wake.hpp"

#include <array>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace shmipc::bench {

void wait_until_asleep(std::uint32_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/stat";
    const os::Fd file(
        os::require("open " + path, [&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
    for (;;) {
        std::array<char, 512> text{};
        const auto length = os::require(
            "read " + path, [&] { return pread(file.get(), text.data(), text.size(), 0); });
        // "pid (name) state …"; the name may contain anything.
        const std::string_view stat(text.data(), static_cast<std::size_t>(length));
        const std::size_t name_end = stat.rfind(") ");
        if (name_end != std::string_view::npos && stat.substr(name_end + 2, 1) == "S") {
            return;
        }
        sched_yield();
    }
}

}  // namespace shmipc::bench
