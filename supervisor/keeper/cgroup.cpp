#include "cgroup.hpp"

#include "proc_text.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr const char* kRoot = "/sys/fs/cgroup";

std::string name_of_group(WorkerIndex worker) {
    return "worker-" + std::to_string(to_number(worker));
}

os::Fd open_at(const os::Fd& directory, const std::string& path, int flags) {
    return os::Fd(os::retry(
        [&] { return ::openat(directory.get(), path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW); }));
}

/// systemd's word: the first where it runs as root, and can; the second for all to read.
bool is_delegated(int directory) noexcept {
    for (const char* name : {"trusted.delegate", "user.delegate"}) {
        char value = 0;
        if (::fgetxattr(directory, name, &value, 1) == 1 && value == '1') {
            return true;
        }
    }
    return false;
}

}  // namespace

std::optional<std::string> unified_group(std::string_view proc_self_cgroup) {
    // "0::/system.slice/shmipc.service"; version 1's hierarchies have other numbers.
    constexpr std::string_view kUnified = "0::";
    constexpr std::string_view kDeleted = " (deleted)";
    while (!proc_self_cgroup.empty()) {
        const std::size_t end = proc_self_cgroup.find('\n');
        const std::string_view line = proc_self_cgroup.substr(0, end);
        proc_self_cgroup.remove_prefix(end == std::string_view::npos ? proc_self_cgroup.size()
                                                                     : end + 1);
        if (line.starts_with(kUnified)) {
            const std::string_view path = line.substr(kUnified.size());
            // "/../x": the root of our namespace of control groups lies below what is mounted.
            const bool usable =
                path.starts_with('/') && !path.starts_with("/..") && !path.ends_with(kDeleted);
            return usable ? std::optional(std::string(path)) : std::nullopt;
        }
    }
    return std::nullopt;
}

bool says_populated(std::string_view cgroup_events) noexcept {
    return cgroup_events.starts_with("populated 1") ||
           cgroup_events.find("\npopulated 1") != std::string_view::npos;
}

WorkerGroups WorkerGroups::find(std::string& why_not) {
    const auto told = read_proc(::getpid(), "cgroup");
    const auto group = told ? unified_group(*told) : std::nullopt;
    struct statfs mounted {};
    if (!group || ::statfs(kRoot, &mounted) != 0 || mounted.f_type != CGROUP2_SUPER_MAGIC) {
        why_not = "the system has no control groups of version 2";
        return {};
    }
    const std::string path = kRoot + *group;
    os::Fd own(os::retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!own || !is_delegated(own.get())) {
        why_not = "the control group is not delegated to it (Delegate= of the unit)";
        return {};
    }
    WorkerGroups groups(std::move(own));
    // Tried, as a mount may be read-only and a kernel too old, whatever was delegated.
    const bool works =
        static_cast<bool>(groups.make(WorkerIndex{0})) &&
        ::faccessat(groups.own_.get(), (name_of_group(WorkerIndex{0}) + "/cgroup.kill").c_str(),
                    W_OK, AT_EACCESS) == 0;
    groups.remove(WorkerIndex{0});
    if (!works) {
        why_not =
            "its control group cannot be written to (ProtectControlGroups= of the unit), or "
            "the kernel is older than 5.14";
        return {};
    }
    return groups;
}

os::Fd WorkerGroups::make(WorkerIndex worker) const {
    if (!present()) {
        return {};
    }
    const std::string name = name_of_group(worker);
    ::mkdirat(own_.get(), name.c_str(), 0755);  // it may be there: a predecessor was killed
    return open_at(own_, name + "/cgroup.procs", O_WRONLY);
}

bool WorkerGroups::end(WorkerIndex worker) const {
    if (!present()) {
        return false;
    }
    const std::string name = name_of_group(worker);
    const os::Fd events = open_at(own_, name + "/cgroup.events", O_RDONLY);
    std::array<char, 256> text{};
    const ssize_t length =
        os::retry([&] { return ::read(events.get(), text.data(), text.size()); });
    if (length <= 0 ||
        !says_populated(std::string_view(text.data(), static_cast<std::size_t>(length)))) {
        return false;
    }
    const os::Fd kill = open_at(own_, name + "/cgroup.kill", O_WRONLY);
    static_cast<void>(os::retry([&] { return ::write(kill.get(), "1", 1); }));
    return true;
}

void WorkerGroups::remove(WorkerIndex worker) const noexcept {
    if (present()) {
        std::array<char, 32> name{};
        static_cast<void>(::snprintf(name.data(), name.size(), "worker-%u", to_number(worker)));
        ::unlinkat(own_.get(), name.data(), AT_REMOVEDIR);
    }
}

}  // namespace shmipc::supervisor
