#include "operator_stops.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "shared/excerpt.hpp"
#include "shared/file.hpp"
#include "shared/text.hpp"
#include <shmipc/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {

namespace {

/// Of the file: that of the largest group has six thousand.
constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
constexpr std::size_t kMostTold = 32;

/// The file's text; empty if there is none, or it is not to be read.
std::string text_of(const std::string& path) {
    try {
        return read_regular_file(path, kMostBytes, Links::kRefuse);
    } catch (const Error& error) {
        if (error.system_errno() != ENOENT) {
            log::log(log::Level::kWarning, log::Event::kMessage,
                     "which workers were stopped by order is not known, and all are started: " +
                         error.text());
        }
        return {};
    }
}

}  // namespace

OperatorStops::OperatorStops(std::string path, std::uint32_t workers) : path_(std::move(path)) {
    const std::string text = text_of(path_);
    std::string first_wrong;
    std::size_t wrong = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (const auto number = parse_number(line, workers - 1)) {
            stopped_.insert(static_cast<std::uint32_t>(*number));
        } else if (wrong++ == 0) {
            first_wrong = excerpt(line, kMostTold);
        }
    }
    if (wrong != 0) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 path_ + ": '" + first_wrong + "' is no worker of this group: ignored" +
                     (wrong > 1 ? ", as are " + std::to_string(wrong - 1) + " more lines" : ""));
    }
}

bool OperatorStops::contains(WorkerIndex index) const {
    return stopped_.count(to_number(index)) != 0;
}

void OperatorStops::set(WorkerIndex index, bool stopped) {
    const bool changed =
        stopped ? stopped_.insert(to_number(index)).second : stopped_.erase(to_number(index)) != 0;
    if (!changed) {
        return;
    }
    try {
        write();
    } catch (const Error& error) {
        log::log(log::Level::kError, log::Event::kMessage,
                 "which workers are stopped by order cannot be kept, and holds only until the "
                 "supervisor ends: " +
                     error.text());
    }
}

bool OperatorStops::restore() const {
    struct stat status {};
    const bool missing = !stopped_.empty() && ::lstat(path_.c_str(), &status) != 0 &&
                         (errno == ENOENT || errno == ENOTDIR);
    if (missing) {
        write();
    }
    return missing;
}

void OperatorStops::forget() {
    stopped_.clear();
    ::unlink(path_.c_str());
}

void OperatorStops::write() const {
    if (stopped_.empty()) {
        ::unlink(path_.c_str());
        return;
    }
    std::string text;
    for (const std::uint32_t number : stopped_) {
        text += std::to_string(number) + "\n";
    }
    replace_file(path_, text, 0640);
}

}  // namespace shmipc::supervisor
