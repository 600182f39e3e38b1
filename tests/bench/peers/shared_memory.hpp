// Memory that a place shares with the processes forked after it, for peers that are written here.
// It has no name, and is gone with its last process.
#pragma once

#include <cerrno>
#include <cstddef>
#include <system_error>

#include <sys/mman.h>

namespace shmipc::bench {

class SharedMemory {
  public:
    explicit SharedMemory(std::size_t bytes)
        : bytes_(bytes),
          at_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
        if (at_ == MAP_FAILED) {
            throw std::system_error(errno, std::generic_category(), "mmap");
        }
    }
    ~SharedMemory() { munmap(at_, bytes_); }
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    [[nodiscard]] std::byte* at(std::size_t offset) const noexcept {
        return static_cast<std::byte*>(at_) + offset;
    }

  private:
    std::size_t bytes_;
    void* at_;
};

}  // namespace shmipc::bench
