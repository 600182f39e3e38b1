#include "runtime_care.hpp"

#include "base/log.hpp"
#include <shmipc/error.hpp>

#include <cerrno>

#include <sys/stat.h>

namespace shmipc::supervisor {
namespace {

bool is_missing(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

std::string join(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        text += (text.empty() ? "" : ", ") + item;
    }
    return text;
}

}  // namespace

void RuntimeCare::look() {
    std::vector<std::string> renewed;
    std::string failure;
    try {
        renew(renewed);
    } catch (const Error& error) {
        failure = error.text();
    }
    if (!renewed.empty()) {
        log::log(log::Level::kWarning, log::Event::kRuntimeRestored,
                 "somebody removed files of this supervisor; made anew: " + join(renewed));
    }
    if (!failure.empty()) {
        tell_failure(failure);
    }
    told_ = failure;
}

void RuntimeCare::renew(std::vector<std::string>& renewed) {
    const bool lock_there = kept_.lock.has_its_name();
    const bool socket_there = kept_.has_socket();
    // Before anything is made in it: it may be somebody else's by now.
    if (!lock_there || !socket_there) {
        const bool missing = is_missing(kept_.directory);
        prepare_runtime_directory(kept_.directory);
        if (missing) {
            renewed.push_back("directory " + kept_.directory);
        }
    }
    if (kept_.open_to_all) {
        open_runtime_directory(kept_.directory);  // which another unit's start may have closed
    }
    // The lock first: who holds it has the socket.
    if (!lock_there) {
        pid_t holder = 0;
        if (!kept_.lock.renew(holder)) {
            throw Error(Errc::kSystem, "another process (pid " + std::to_string(holder) +
                                           ") has made and locked " + kept_.lock_path +
                                           " meanwhile; end it, if it is another supervisor of "
                                           "group '" +
                                           kept_.group + "'");
        }
        renewed.push_back("lock " + kept_.lock_path);
    }
    if (!socket_there) {
        kept_.renew_socket();
        renewed.push_back("control socket " + kept_.socket_path);
    }
    if (kept_.stops.restore()) {
        renewed.emplace_back("the list of workers that are stopped by order");
    }
}

void RuntimeCare::tell_failure(const std::string& reason) {
    if (reason != told_) {
        log::log(log::Level::kError, log::Event::kRuntimeRestored,
                 "somebody removed files of this supervisor, which cannot be made anew, so that "
                 "shmipcctl may not reach it: " +
                     reason +
                     "; tried again every second. To make all anew, restart the supervisor");
    }
}

}  // namespace shmipc::supervisor
