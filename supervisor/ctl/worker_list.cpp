#include "worker_list.hpp"

#include "shared/text.hpp"

#include <charconv>
#include <stdexcept>
#include <string>

namespace shmipc::ctl {

namespace {

std::uint32_t parse_number(std::string_view text, std::uint32_t workers) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number >= workers) {
        throw std::invalid_argument("'" + std::string(text) + "' is no worker: expected 0 to " +
                                    std::to_string(workers == 0 ? 0 : workers - 1) +
                                    ", a range such as 0-2, a list such as 0,2-3, or all");
    }
    return number;
}

}  // namespace

std::vector<WorkerIndex> parse_worker_list(std::string_view text, std::uint32_t workers) {
    std::vector<bool> named(workers, text == "all");
    while (text != "all") {
        const std::size_t comma = text.find(',');
        const std::string_view item = text.substr(0, comma);
        const std::size_t dash = item.find('-');
        const std::uint32_t first = parse_number(item.substr(0, dash), workers);
        const std::uint32_t last =
            dash == std::string_view::npos ? first : parse_number(item.substr(dash + 1), workers);
        if (first > last) {
            throw std::invalid_argument("'" + std::string(item) +
                                        "' is an empty range: write the lower number first");
        }
        for (std::uint32_t i = first; i <= last; ++i) {
            named[i] = true;
        }
        if (comma == std::string_view::npos) {
            break;
        }
        text.remove_prefix(comma + 1);
    }
    std::vector<WorkerIndex> result;
    for (std::uint32_t i = 0; i < workers; ++i) {
        if (named[i]) {
            result.push_back(WorkerIndex{i});
        }
    }
    return result;
}

std::string describe_workers(const std::vector<WorkerIndex>& workers) {
    return supervisor::name_workers(workers);
}

boost::json::array to_json(const std::vector<WorkerIndex>& workers) {
    boost::json::array list;
    for (const WorkerIndex worker : workers) {
        list.emplace_back(to_number(worker));
    }
    return list;
}

}  // namespace shmipc::ctl
