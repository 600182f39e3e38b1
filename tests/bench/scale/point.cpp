#include "point.hpp"

#include <unistd.h>

namespace shmipc::bench {

std::uint64_t Point::shared_bytes() const {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return config("any").geometry().backed_bytes(page) * workers;
}

std::vector<Point> points(bool quick) {
    if (quick) {
        return {{64, 2}, {64, 16}, {64, 64}, {4096, 16}};
    }
    return {{64, 2},   {64, 16},   {64, 64},   {64, 256},   {64, 1024},
            {4096, 2}, {4096, 16}, {4096, 64}, {4096, 256}, {4096, 1024}};
}

std::vector<std::uint32_t> resting_groups(bool quick) {
    return quick ? std::vector<std::uint32_t>{3} : std::vector<std::uint32_t>{3, 256};
}

}  // namespace shmipc::bench
