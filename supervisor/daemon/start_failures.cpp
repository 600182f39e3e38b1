#include "start_failures.hpp"

#include "base/log.hpp"
#include "base/os.hpp"
#include "shared/file.hpp"
#include "shared/text.hpp"
#include <shmipc/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <limits>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

constexpr std::uint64_t kMostFailures = 1'000'000;
constexpr std::size_t kLongestReason = 1024;

std::chrono::seconds now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds{time.tv_sec};
}

void warn(const std::string& path, const std::string& what) {
    log::log(log::Level::kWarning, log::Event::kMessage,
             path + ", which counts the starts that failed, " + what);
}

}  // namespace

StartFailures::StartFailures(std::string path) : path_(std::move(path)) {
    read();
}

void StartFailures::read() {
    const os::Fd file(os::retry([&] {
        return ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    }));
    struct stat status {};
    if (!file) {
        if (errno != ENOENT) {
            warn(path_, "is ignored: " + std::system_category().message(errno));
        }
        return;
    }
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid()) {
        warn(path_, "is ignored: it is no regular file of this user");
        return;
    }
    std::array<char, kLongestReason + 64> bytes{};
    const ssize_t length =
        os::retry([&] { return ::read(file.get(), bytes.data(), bytes.size()); });
    const std::string_view text(bytes.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    const std::string_view first = text.substr(0, text.find('\n'));
    const std::size_t blank = std::min(first.find(' '), first.size());
    const auto count = parse_number(first.substr(0, blank), kMostFailures);
    const auto time =
        parse_number(first.substr(std::min(blank + 1, first.size())),
                     static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()));
    if (!count || !time) {
        warn(path_, "is ignored: it has no number and time");
        return;
    }
    // Of another boot, if it lies ahead.
    const auto age = now() - std::chrono::seconds{static_cast<std::int64_t>(*time)};
    if (age < std::chrono::seconds{0} || age > kKeptFor) {
        return;
    }
    count_ = static_cast<std::uint32_t>(*count);
    const std::string_view rest = text.substr(std::min(first.size() + 1, text.size()));
    reason_ = rest.substr(0, rest.find('\n'));
    // It goes into the status line, whatever somebody has written there.
    std::replace_if(
        reason_.begin(), reason_.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
}

std::chrono::seconds StartFailures::delay_after(std::uint32_t failures) noexcept {
    if (failures < 2) {
        return std::chrono::seconds{0};
    }
    constexpr std::uint32_t kMostDoublings = 6;  // 64 s
    const std::uint32_t doublings = std::min(failures - 2, kMostDoublings);
    return std::min(std::chrono::seconds{1U << doublings}, kLongestDelay);
}

void StartFailures::begin() {
    count_ = std::min<std::uint32_t>(count_ + 1, static_cast<std::uint32_t>(kMostFailures));
    reason_ = "it ended without a word";
    write();
}

void StartFailures::explain(std::string_view reason) {
    reason_ = reason.substr(0, kLongestReason);
    std::replace(reason_.begin(), reason_.end(), '\n', ' ');
    write();
}

void StartFailures::forget() {
    count_ = 0;
    reason_.clear();
    ::unlink(path_.c_str());
}

void StartFailures::write() const {
    const std::string text =
        std::to_string(count_) + " " + std::to_string(now().count()) + "\n" + reason_ + "\n";
    try {
        replace_file(path_, text, 0600);
    } catch (const Error& error) {
        warn(path_, "cannot be written: " + error.text());
    }
}

}  // namespace shmipc::supervisor
