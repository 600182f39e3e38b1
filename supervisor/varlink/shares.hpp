// How the places of a server are shared out among users: no user's clients, however many, can keep
// those of another out, and root and the server's own user have places that nobody else can take.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include <sys/types.h>

namespace shmipc::varlink {

class Shares {
  public:
    /// Root and user `owner` have `together` places each, of their own; all others `together`, and
    /// each of them `each` of those at the most.
    Shares(std::size_t together, std::size_t each, uid_t owner) noexcept
        : together_(together), each_(each), owner_(owner) {}

    enum class Refusal : std::uint8_t {
        kUser,      ///< this user has all that one may have
        kEverybody  ///< there is no place for anybody but root and the owner
    };
    /// Takes a place, until leave(); or says why there is none.
    std::optional<Refusal> enter(uid_t uid);
    /// One that has entered.
    void leave(uid_t uid) noexcept;

    /// Places that `uid` may have at once.
    [[nodiscard]] std::size_t limit_of(uid_t uid) const noexcept;
    /// Places that ordinary users may have together.
    [[nodiscard]] std::size_t together() const noexcept { return together_; }

  private:
    [[nodiscard]] bool privileged(uid_t uid) const noexcept { return uid == 0 || uid == owner_; }

    std::size_t together_;
    std::size_t each_;
    uid_t owner_;
    std::size_t ordinary_ = 0;             ///< places taken by others than root and the owner
    std::map<uid_t, std::size_t> places_;  ///< taken, by user; no zeros
};

}  // namespace shmipc::varlink
