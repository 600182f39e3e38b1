#include "arena.hpp"

#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::fuzz {

Arena::Arena(std::uint32_t workers)
    : config_{.name = "fuzz-" + std::to_string(getpid()),
              .workers = workers,
              .capacity = 64,
              .slots = layout::Geometry::minimum_slots(workers)} {
    Group::create_or_open(config_);
    for (std::uint32_t i = 0; i < workers; ++i) {
        const os::Fd file(os::require("cannot open " + path(i),
                                      [&] { return open(path(i).c_str(), O_RDONLY | O_CLOEXEC); }));
        struct stat status {};
        os::require("cannot look at " + path(i), [&] { return fstat(file.get(), &status); });
        std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
        os::require("cannot read " + path(i),
                    [&] { return pread(file.get(), bytes.data(), bytes.size(), 0); });
        born_.push_back(std::move(bytes));
    }
}

Arena::~Arena() {
    remove();
}

void Arena::restore() {
    remove();
    files_.clear();
    for (std::uint32_t i = 0; i < config_.workers; ++i) {
        files_.emplace_back(os::require("cannot make " + path(i), [&] {
            return open(path(i).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        }));
        os::require("cannot write " + path(i),
                    [&] { return pwrite(files_[i].get(), born_[i].data(), born_[i].size(), 0); });
    }
}

void Arena::scribble(std::uint32_t object, std::size_t offset, const void* bytes,
                     std::size_t count) {
    if (offset < object_bytes()) {
        os::require("cannot scribble", [&] {
            return pwrite(files_[object].get(), bytes, std::min(count, object_bytes() - offset),
                          static_cast<off_t>(offset));
        });
    }
}

void Arena::resize(std::uint32_t object, std::size_t bytes) {
    os::require("cannot resize",
                [&] { return ftruncate(files_[object].get(), static_cast<off_t>(bytes)); });
}

std::string Arena::path(std::uint32_t object) const {
    return "/dev/shm/" + object_name(config_.name, WorkerIndex{object});
}

void Arena::remove() const noexcept {
    for (std::uint32_t i = 0; i < config_.workers; ++i) {
        unlink(path(i).c_str());
    }
}

}  // namespace shmipc::fuzz
