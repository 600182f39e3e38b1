#include "former_life.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "keeper/kin.hpp"
#include "keeper/proc_text.hpp"
#include "shared/file.hpp"
#include "shared/text.hpp"
#include <shmipc/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostFile = std::size_t{1} << 20U;
constexpr std::size_t kMostEnvironment = std::size_t{4} << 20U;
constexpr std::size_t kLengthOfLife = 32;
/// Kept in the file: more would be a storm, which the marks have to tell.
constexpr std::size_t kMostProcesses = 4096;

std::string boot_id() {
    const os::Fd file(
        os::retry([] { return ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); }));
    std::array<char, 64> text{};
    const ssize_t length = os::retry([&] { return ::read(file.get(), text.data(), text.size()); });
    std::string id(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    id.erase(std::min(id.find('\n'), id.size()));
    return id;
}

/// The next line, without its end, taken from `text`.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

/// This process, and those that it came from: a supervisor may have been started by something that
/// belongs to a former one's worker.
std::set<pid_t> self_and_above() {
    std::set<pid_t> pids;
    for (pid_t pid = ::getpid(); pid > 0 && pids.insert(pid).second;) {
        const auto place = place_of(pid);
        pid = place ? place->parent : 0;
    }
    return pids;
}

bool belongs(const FormerLife& former, pid_t pid) {
    const auto environment = read_proc(pid, "environ", kMostEnvironment);
    if (environment && marked(*environment, former.life)) {
        return true;
    }
    const auto known = former.processes.find(pid);
    if (known == former.processes.end()) {
        return false;
    }
    const auto place = place_of(pid);
    return place && place->started == known->second;
}

bool has_ended(const os::Fd& process) noexcept {
    pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
    return os::retry([&] { return ::poll(&ended, 1, 0); }) == 1;
}

/// The processes of that life which could be sent SIGKILL, by their pidfd.
std::vector<os::Fd> kill_all(const FormerLife& former, const std::set<pid_t>& spared) {
    std::vector<os::Fd> killed;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator("/proc", error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const auto number = parse_number(entry->path().filename().string(), INT32_MAX);
        const pid_t pid = number ? static_cast<pid_t>(*number) : 0;
        if (pid <= 1 || spared.count(pid) != 0 || !belongs(former, pid)) {
            continue;
        }
        // Opened, and then looked at again: what is killed is what was looked at, and no stranger
        // who got its pid meanwhile.
        os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (process && !has_ended(process) && belongs(former, pid) &&
            ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) == 0) {
            killed.push_back(std::move(process));
        }
    }
    return killed;
}

}  // namespace

FormerLife parse_former_life(std::string_view text, std::string_view boot) {
    FormerLife former;
    const std::string_view first = take_line(text);
    const std::size_t blank = std::min(first.find(' '), first.size());
    const std::string_view life = first.substr(0, blank);
    // What is no name as random_life() makes them would match what it should not.
    if (life.size() != kLengthOfLife ||
        life.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
        return former;
    }
    former.life = life;
    if (boot.empty() || first.substr(std::min(blank + 1, first.size())) != boot) {
        return former;
    }
    while (!text.empty() && former.processes.size() < kMostProcesses) {
        const std::string_view line = take_line(text);
        const std::size_t middle = line.find(' ');
        const auto pid = parse_number(line.substr(0, middle), INT32_MAX);
        const auto started = middle == std::string_view::npos
                                 ? std::optional<std::uint64_t>{}
                                 : parse_number(line.substr(middle + 1), UINT64_MAX);
        if (pid && started && *pid > 1) {
            former.processes.emplace(static_cast<pid_t>(*pid), *started);
        }
    }
    return former;
}

FormerLife read_former_life(const std::string& path) {
    // Looked at after opening, and opened without waiting: anything may bear the name.
    const os::Fd file(os::retry([&] {
        return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    }));
    if (!file && errno == ENOENT) {
        return {};
    }
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid()) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 path +
                     ": not a regular file of ours: what an earlier supervisor may have left "
                     "running is not looked for; remove it");
        return {};
    }
    std::string text(std::min(static_cast<std::size_t>(status.st_size), kMostFile), '\0');
    const ssize_t length = os::retry([&] { return ::read(file.get(), text.data(), text.size()); });
    text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return parse_former_life(text, boot_id());
}

std::size_t end_life(const FormerLife& former, std::chrono::milliseconds patience) {
    if (former.life.empty()) {
        return 0;
    }
    const auto deadline = Clock::now() + patience;
    const std::set<pid_t> spared = self_and_above();
    std::size_t count = 0;
    // Again until a look finds none: one that was just being forked is seen by the next.
    for (;;) {
        std::vector<os::Fd> killed = kill_all(former, spared);
        count += killed.size();
        if (killed.empty()) {
            return count;
        }
        for (const os::Fd& process : killed) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
            pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
            os::retry([&] {
                return ::poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
            });
        }
        if (Clock::now() >= deadline) {
            return count;
        }
    }
}

LifeFile::LifeFile(std::string path, std::string life)
    : path_(std::move(path)), life_(std::move(life)) {
    write();
}

LifeFile::~LifeFile() {
    ::unlink(path_.c_str());
}

void LifeFile::keep(const StartTimes& processes) {
    if (processes != processes_) {
        processes_ = processes;
        write();
    }
}

void LifeFile::write() const {
    std::string text = life_ + " " + boot_id() + "\n";
    std::size_t lines = 0;
    for (const auto& [pid, started] : processes_) {
        if (++lines > kMostProcesses) {
            break;
        }
        text += std::to_string(pid) + " " + std::to_string(started) + "\n";
    }
    try {
        // The life's name is nobody else's to know.
        replace_file(path_, text, 0600);
    } catch (const Error& error) {
        log::log(log::Level::kWarning, log::Event::kMessage,
                 "what belongs to the workers cannot be kept for the next supervisor, which will "
                 "not end it if this one is killed: " +
                     error.text());
    }
}

}  // namespace shmipc::supervisor
