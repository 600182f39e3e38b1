// Groups for tests: a name that no other process has, and nothing left in /dev/shm afterwards,
// however the test ends.
#pragma once

#include <shmipc/group.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::test {

class GroupGuard {
  public:
    /// With the fewest slots that can do, unless it is said otherwise: the hardest case.
    explicit GroupGuard(std::uint32_t workers = 3, std::uint64_t capacity = 64,
                        std::uint32_t slots = 0)
        : config{.name = unique_name(),
                 .workers = workers,
                 .capacity = capacity,
                 .slots = slots == 0 ? layout::Geometry::minimum_slots(workers) : slots} {}
    GroupGuard(const GroupGuard&) = delete;
    GroupGuard& operator=(const GroupGuard&) = delete;
    ~GroupGuard() {
        if (owner_ == ::getpid()) {
            for (const std::string& file : left()) {
                ::unlink(file.c_str());
                ::rmdir(file.c_str());
            }
        }
    }

    /// Path of the object of worker `index`.
    [[nodiscard]] std::string path(std::uint32_t index) const {
        return "/dev/shm/" + object_name(config.name, WorkerIndex{index});
    }
    [[nodiscard]] std::string lock_path() const {
        return "/dev/shm/shmipc." + config.name + ".lock";
    }
    /// Everything in /dev/shm that bears the group's name.
    [[nodiscard]] std::vector<std::string> left() const {
        std::vector<std::string> found;
        DIR* const directory = ::opendir("/dev/shm");
        while (directory != nullptr) {
            const dirent* const entry = ::readdir(directory);
            if (entry == nullptr) {
                ::closedir(directory);
                break;
            }
            const std::string name(entry->d_name);
            if (name.starts_with("shmipc." + config.name + ".")) {
                found.push_back("/dev/shm/" + name);
            }
        }
        return found;
    }
    /// The same without its lock file.
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> found = left();
        std::erase_if(found,
                      [&](const std::string& file) { return file.starts_with(lock_path()); });
        return found;
    }

    GroupConfig config;

  private:
    static std::string unique_name() {
        static unsigned count = 0;
        return "t-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    }

    pid_t owner_ = ::getpid();
};

/// Overwrites bytes of a file.
template <class Value>
bool write_at(const std::string& path, off_t offset, const Value& value) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && ::pwrite(fd, &value, sizeof value, offset) == sizeof value;
    ::close(fd);
    return done;
}

/// Code and text of the Error that `call` throws; kOk if it throws none.
struct Caught {
    Errc code = Errc::kOk;
    std::string text;

    /// Whether the text has all these parts.
    [[nodiscard]] bool tells(std::initializer_list<std::string> parts) const {
        for (const std::string& part : parts) {
            if (text.find(part) == std::string::npos) {
                return false;
            }
        }
        return true;
    }
};
template <class Call>
Caught catch_error(Call&& call) {
    try {
        static_cast<void>(call());
    } catch (const Error& error) {
        return {error.errc(), error.text()};
    }
    return {};
}

}  // namespace shmipc::test
