#include "oom_watch.hpp"

#include "shared/text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace shmipc::supervisor {
namespace {

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string oom_counter_file(std::string_view proc_self_cgroup) {
    // "0::/system.slice/shmipc.service"; version 1's hierarchies have other numbers.
    constexpr std::string_view kUnified = "0::/";
    const std::size_t at = proc_self_cgroup.starts_with(kUnified)
                               ? 0
                               : proc_self_cgroup.find("\n" + std::string(kUnified));
    if (at != std::string_view::npos) {
        const std::size_t begin = proc_self_cgroup.find('/', at);
        std::string path = "/sys/fs/cgroup";
        path += proc_self_cgroup.substr(begin, proc_self_cgroup.find('\n', begin) - begin);
        path += "/memory.events";
        std::error_code ignored;
        if (std::filesystem::exists(path, ignored)) {
            return path;
        }
    }
    return "/proc/vmstat";
}

std::optional<std::uint64_t> parse_oom_kills(std::string_view text) {
    constexpr std::string_view kName = "oom_kill ";
    std::size_t at = text.starts_with(kName) ? 0 : text.find("\n" + std::string(kName));
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    at = text.find(' ', at) + 1;
    return parse_number(text.substr(at, text.find('\n', at) - at), UINT64_MAX);
}

OomWatch::OomWatch(std::string file) : file_(std::move(file)), accounted_(read().value_or(0)) {}

OomWatch::OomWatch() : OomWatch(oom_counter_file(read_file("/proc/self/cgroup"))) {}

std::optional<std::uint64_t> OomWatch::read() const {
    return parse_oom_kills(read_file(file_));
}

void OomWatch::look() {
    seen_.push_back(read().value_or(accounted_));
    if (seen_.size() > kMemory) {
        accounted_ = std::max(accounted_, seen_.front());
        seen_.pop_front();
    }
}

bool OomWatch::claim() {
    const auto kills = read();
    if (!kills || *kills <= accounted_) {
        return false;
    }
    ++accounted_;
    return true;
}

}  // namespace shmipc::supervisor
