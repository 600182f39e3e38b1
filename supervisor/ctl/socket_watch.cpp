#include "socket_watch.hpp"

#include <climits>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace shmipc::ctl {
namespace {

constexpr std::uint32_t kComes = IN_CREATE | IN_MOVED_TO | IN_ATTRIB;
constexpr std::uint32_t kGoes = IN_DELETE_SELF | IN_MOVE_SELF;

struct Step {
    std::string directory;
    std::string name;  ///< in it
};

/// The last step of the way to `path`.
Step step_to(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return {".", path};
    }
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

SocketWatch::SocketWatch(const std::vector<std::string>& paths)
    : inotify_(
          os::require("inotify_init1", [] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); })) {
    for (const std::string& path : paths) {
        // The last directory on the way that is there, and what is to come in it.
        for (Step step = step_to(path);; step = step_to(step.directory)) {
            const int watch = ::inotify_add_watch(inotify_.get(), step.directory.c_str(),
                                                  kComes | kGoes | IN_ONLYDIR | IN_MASK_ADD);
            if (watch >= 0) {
                names_.emplace(watch, step.name);
                break;
            }
            if ((errno != ENOENT && errno != ENOTDIR) || step.directory == "/" ||
                step.directory == ".") {
                // One that may not be looked into is no place where this user's supervisor is.
                break;
            }
        }
    }
}

void SocketWatch::wait(std::chrono::steady_clock::time_point deadline) const {
    while (!take_events()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                              deadline - std::chrono::steady_clock::now())
                              .count();
        if (left <= 0) {
            return;
        }
        pollfd ready{.fd = inotify_.get(), .events = POLLIN, .revents = 0};
        os::require("poll", [&] {
            return ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, INT_MAX)));
        });
    }
}

bool SocketWatch::take_events() const {
    alignas(inotify_event) std::array<char, 4096> bytes;  // NOLINT(*-member-init): read() writes it
    bool ours = false;
    for (;;) {
        const ssize_t length =
            os::retry([&] { return ::read(inotify_.get(), bytes.data(), bytes.size()); });
        if (length <= 0) {
            return ours;
        }
        for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
            inotify_event event{};
            std::memcpy(&event, bytes.data() + at, sizeof event);
            const char* const name = bytes.data() + at + sizeof event;
            at += sizeof event + event.len;
            const auto [first, last] = names_.equal_range(event.wd);
            ours = ours || (event.mask & (kGoes | IN_IGNORED | IN_Q_OVERFLOW)) != 0 ||
                   (event.len > 0 && std::any_of(first, last, [&](const auto& looked_for) {
                        return looked_for.second == name;
                    }));
        }
    }
}

}  // namespace shmipc::ctl
