#include "lock_file.hpp"

#include "base/held_signal.hpp"
#include "base/os.hpp"
#include "names.hpp"
#include <shmipc/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::detail {

namespace {

/// What a whole file begins with; the supervisor's pid follows. Text, for whoever looks.
constexpr std::string_view kWhole = "shmipc locks 1 \n";
constexpr std::size_t kPidBytes = 16;
constexpr mode_t kMode = 0600;
constexpr std::chrono::milliseconds kMakingTimeout{10'000};
/// Each new try means that somebody else made or removed a file in between.
constexpr int kMostTries = 1000;

void write_at(int fd, std::string_view text, off_t offset, const std::string& name) {
    const HeldSignal held(SIGXFSZ);  // beyond RLIMIT_FSIZE
    while (!text.empty()) {          // a limit is told by the call that comes after what it allows
        const auto written = os::require("cannot write the lock file '" + name + "'", [&] {
            return pwrite(fd, text.data(), text.size(), offset);
        });
        text.remove_prefix(static_cast<std::size_t>(written));
        offset += written;
    }
}

}  // namespace

LockFile::LockFile(os::Fd file, std::string name) noexcept
    : file_(std::move(file)), name_(std::move(name)) {}

bool LockFile::has_its_name() const noexcept {
    return is_named(fd(), name_);
}

bool LockFile::is_whole() const noexcept {
    std::array<char, kWhole.size()> text{};
    const auto got = os::retry([&] { return pread(fd(), text.data(), text.size(), 0); });
    return got == static_cast<ssize_t>(text.size()) &&
           std::string_view(text.data(), text.size()) == kWhole;
}

bool LockFile::others_may_open() const noexcept {
    struct stat status {};
    return fstat(fd(), &status) == 0 && (status.st_mode & 07777U & ~kMode) != 0;
}

void LockFile::complete() const {
    write_at(fd(), std::string(kWhole) + std::string(kPidBytes - 1, ' ') + "\n", 0, name_);
}

std::uint32_t LockFile::supervisor() const noexcept {
    std::array<char, kPidBytes> text{};
    const auto got =
        os::retry([&] { return pread(fd(), text.data(), text.size(), kWhole.size()); });
    std::uint32_t pid = 0;
    std::from_chars(text.data(), text.data() + std::max<ssize_t>(got, 0), pid);
    return pid;
}

void LockFile::tell_supervisor(std::uint32_t pid) const {
    std::string text = std::to_string(pid);
    text.resize(kPidBytes - 1, ' ');
    write_at(fd(), text, static_cast<off_t>(kWhole.size()), name_);
}

std::optional<LockFile> LockFile::open_plain(const std::string& group, uid_t owner) {
    auto opened = detail::open_plain(lock_name(group), O_RDWR, owner);
    if (!opened) {
        return std::nullopt;
    }
    LockFile file(std::move(opened->file), std::move(opened->name));
    if (!file.is_whole()) {
        return std::nullopt;
    }
    if (file.others_may_open()) {
        os::require("cannot change the mode of '" + file.name() + "'",
                    [&] { return fchmod(file.fd(), kMode); });
    }
    return file;
}

std::optional<LockFile> LockFile::open(const std::string& group, uid_t owner) {
    if (auto plain = open_plain(group, owner)) {
        return plain;
    }
    for (const Name& name : with_digits(lock_name(group))) {
        if (name.owner != owner) {
            continue;
        }
        auto opened = detail::open_plain(name.file, O_RDWR, owner);
        if (opened) {
            LockFile file(std::move(opened->file), std::move(opened->name));
            if (file.is_whole()) {
                return file;
            }
        }
    }
    return std::nullopt;
}

/// Makes one that could become the lock file, if there is none; or completes one of those that are
/// there. Look again afterwards.
void LockFile::make(const std::string& group, uid_t owner) {
    const auto open_all = [&] {
        std::vector<LockFile> all;
        if (auto plain = detail::open_plain(lock_name(group), O_RDWR, owner)) {
            all.push_back(LockFile(std::move(plain->file), std::move(plain->name)));
        }
        for (const Name& name : with_digits(lock_name(group))) {
            auto opened =
                name.owner == owner ? detail::open_plain(name.file, O_RDWR, owner) : std::nullopt;
            if (opened) {
                all.push_back(LockFile(std::move(opened->file), std::move(opened->name)));
            }
        }
        return all;
    };
    const auto is_whole = [](const LockFile& file) { return file.is_whole(); };
    const std::vector<LockFile> candidates = open_all();
    if (std::any_of(candidates.begin(), candidates.end(), is_whole)) {
        return;
    }
    if (candidates.empty()) {
        const std::string path = path_of("");
        const os::Fd file(os::above_standard(os::retry(
            [&] { return ::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode); })));
        if (!file) {
            throw Error::from_errno(
                Errc::kSystem, errno,
                "cannot make the lock file of group '" + group + "' in " + path + remedy_of(errno));
        }
        os::require("cannot change the mode of a lock file",
                    [&] { return fchmod(file.get(), kMode); });
        if (owner != geteuid()) {  // root acts for the group's user, who needs it later
            os::require("cannot give a lock file to user " + std::to_string(owner),
                        [&] { return fchown(file.get(), owner, static_cast<gid_t>(-1)); });
        }
        give_name(file.get(), lock_name(group), owner);
        return;
    }
    for (const LockFile& candidate : candidates) {
        // What others may open is an older program's, and they may hold read locks on it.
        const bool locked =
            candidate.others_may_open()
                ? lock_among_writers(candidate.fd(), kMakingTimeout, candidate.name())
                : candidate.lock(kMaking, kMakingTimeout);
        if (!locked) {
            throw Error(Errc::kGroupBusy, "another process has been creating or removing group '" +
                                              group + "' for more than 10 s: see who has " +
                                              path_of(candidate.name()) + " open (lsof)");
        }
    }
    const std::vector<LockFile> again = open_all();
    const bool same = std::equal(candidates.begin(), candidates.end(), again.begin(), again.end(),
                                 [](const LockFile& a, const LockFile& b) {
                                     return a.name() == b.name() && a.has_its_name();
                                 });
    if (!same || std::any_of(candidates.begin(), candidates.end(), is_whole)) {
        return;
    }
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!chosen && !candidates[i].others_may_open()) {
            chosen = i;
        } else {
            unlink_name(candidates[i].name());
        }
    }
    if (chosen) {
        candidates[*chosen].complete();
    }
}

LockFile LockFile::open_or_make(const std::string& group, uid_t owner) {
    // One open, where the group is there and nobody plays with its names.
    if (auto plain = open_plain(group, owner)) {
        return std::move(*plain);
    }
    for (int i = 0; i < kMostTries; ++i) {
        if (auto file = open(group, owner)) {
            if (i > 0) {
                remove_incomplete(group, owner);  // ours perhaps, if another maker was first
            }
            return std::move(*file);
        }
        make(group, owner);
    }
    throw Error(Errc::kGroupBusy, "the lock file of group '" + group +
                                      "' is removed and made again all the time: see which program "
                                      "does so");
}

/// Removes what a maker has left that died, or was not the first. Whoever would complete one needs
/// its lock, and looks afterwards whether it is still there.
void LockFile::remove_incomplete(const std::string& group, uid_t owner) {
    for (const Name& name : names_of(group)) {
        if (name.index || name.owner != owner) {
            continue;
        }
        auto opened = detail::open_plain(name.file, O_RDWR, owner);
        if (!opened) {
            continue;
        }
        const LockFile file(std::move(opened->file), std::move(opened->name));
        if (!file.is_whole() && file.lock(kMaking, std::chrono::milliseconds{0}) &&
            !file.is_whole() && file.has_its_name()) {
            unlink_name(file.name());
        }
    }
}

void LockFile::remove_if_unused(const std::string& group, uid_t owner) const {
    constexpr std::chrono::milliseconds kAtOnce{0};
    const std::vector<Name> names = names_of(group);
    const bool used = std::any_of(names.begin(), names.end(), [&](const Name& name) {
        return name.index.has_value() && name.owner == owner;
    });
    if (!used && lock(kIdentities, kAtOnce) && lock(kSupervisor, kAtOnce) && has_its_name()) {
        unlink_name(name_);
        remove_incomplete(group, owner);
    }
}

}  // namespace shmipc::detail
