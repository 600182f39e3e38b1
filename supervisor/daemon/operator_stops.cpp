#include "operator_stops.hpp"

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <utility>

#include <shmipc/error.hpp>
#include <shmipc/log.hpp>
#include <shmipc/os.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/text.hpp"

namespace shmipc::supervisor {

OperatorStops::OperatorStops(std::string path, std::uint32_t workers) : path_(std::move(path)) {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
        if (const auto number = parse_number(line, workers - 1)) {
            stopped_.insert(static_cast<std::uint32_t>(*number));
        } else {
            log::log(log::Level::kWarning, log::Event::kMessage,
                     path_ + ": '" + line.substr(0, 32) + "' is no worker of this group: ignored");
        }
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
    const std::string fresh = path_ + ".new";
    {
        const os::Fd file(os::require("open(" + fresh + ")", [&] {
            return ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                          0640);
        }));
        const auto written = os::require(
            "write(" + fresh + ")", [&] { return ::write(file.get(), text.data(), text.size()); });
        if (static_cast<std::size_t>(written) != text.size()) {
            // Cut within a number it would name another worker.
            throw Error::from_errno(Errc::kSystem, ENOSPC, "write(" + fresh + ")");
        }
    }
    os::require("rename(" + fresh + ")", [&] { return ::rename(fresh.c_str(), path_.c_str()); });
}

}  // namespace shmipc::supervisor
