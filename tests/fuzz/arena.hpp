// A small group for a fuzz target: its objects as they were born, again for each input.
#pragma once

#include "base/os.hpp"
#include <shmipc/group.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shmipc::fuzz {

class Arena {
  public:
    explicit Arena(std::uint32_t workers);
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena();

    [[nodiscard]] const GroupConfig& config() const noexcept { return config_; }
    [[nodiscard]] std::size_t object_bytes() const noexcept { return born_.front().size(); }
    /// New files with the bytes that the objects were born with.
    void restore();
    /// Writes over an object; what would be beyond its end is left out.
    void scribble(std::uint32_t object, std::size_t offset, const void* bytes, std::size_t count);
    /// Makes an object shorter or longer.
    void resize(std::uint32_t object, std::size_t bytes);

  private:
    [[nodiscard]] std::string path(std::uint32_t object) const;
    void remove() const noexcept;

    GroupConfig config_;
    std::vector<std::vector<std::byte>> born_;
    std::vector<os::Fd> files_;
};

}  // namespace shmipc::fuzz
