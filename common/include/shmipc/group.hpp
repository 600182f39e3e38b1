// A group: its N shared-memory objects, born together and removed together.
//
// Used by whoever looks after a group without being one of its workers: the supervisor, the control
// client, tests. Maps nothing and trusts nothing that lies in the objects: it reads with pread, so
// that a worker which truncates its object, or scribbles on it, cannot harm the reader.
#pragma once

#include <shmipc/error.hpp>
#include <shmipc/group_config.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/message.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace shmipc {

/// What a worker told of itself last. Anything may stand here if the worker is hostile.
struct VitalSigns {
    std::uint32_t pid = 0;
    layout::WorkerState state = layout::WorkerState::kNever;
    std::uint32_t incarnation = 0;
    std::uint64_t heartbeat = 0;
    std::chrono::nanoseconds started{0};  ///< CLOCK_BOOTTIME at attach
    std::uint64_t written = 0;            ///< messages published over all incarnations, modulo 2^48
};

/// A message that a worker has in use, or had when it died.
struct HeldMessage {
    WorkerIndex channel{0};
    std::uint64_t sequence = 0;
};

/// What a worker does as consumer of all the others' channels.
struct ConsumerTotals {
    std::uint64_t read = 0;  ///< new messages acquired, over all incarnations
    std::uint32_t held = 0;  ///< messages in use, or that were in use at its death
};

/// Says that this process looks after a group: one at a time does, wherever its files lie. A byte
/// of the group's lock file (/dev/shm/shmipc.<group>.lock, mode 0600), which the kernel lets go of
/// with the process. Each user has his own group of a name. Move-only; by one thread at a time. A
/// child that is forked without exec keeps it.
class SupervisorClaim {
  public:
    /// Nothing if another process has it; `holder` gets its pid then, 0 if it is not known. Throws
    /// Error: kInvalidGroupName, kNoSpace, kNoPermission, kSystem.
    static std::optional<SupervisorClaim> take(const std::string& group, std::uint32_t& holder);

    SupervisorClaim(const SupervisorClaim&) = delete;
    SupervisorClaim& operator=(const SupervisorClaim&) = delete;
    SupervisorClaim(SupervisorClaim&&) noexcept;
    SupervisorClaim& operator=(SupervisorClaim&&) = delete;
    /// Removes the lock file if the group has no objects.
    ~SupervisorClaim();

    [[nodiscard]] const std::string& group() const noexcept;
    /// To be called now and then: makes the lock file anew if somebody has removed it. False if
    /// another process has taken the claim meanwhile, as take(). Throws as take() does; the claim
    /// stays what it was then.
    bool renew(std::uint32_t& holder);

  private:
    struct State;
    explicit SupervisorClaim(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

class Group {
  public:
    /// Opens the group's N objects, or creates them all if there is none. Under a lock, so that any
    /// number of processes may do so at once: exactly one creates. A creator that died half-way is
    /// made good. Another user's files of that name do not count. Throws Error: kInvalid…, kNoSpace
    /// (nothing is left behind), kNoPermission, k…Mismatch with what was expected and found,
    /// kIncompleteGroup, kGroupBusy (the lock is held for more than 10 s).
    static Group create_or_open(const GroupConfig& config);
    static std::optional<Group> create_or_open(const GroupConfig& config, std::error_code& error);

    /// Opens an existing group, whatever its geometry. Throws kNoGroup, kOtherOwner if there is
    /// only another user's, and as above.
    static Group open(const std::string& name);
    static std::optional<Group> open(const std::string& name, std::error_code& error);

    /// Removes all objects of a group, also of one that is incomplete or of another layout, and its
    /// lock file. Takes the supervisor's claim and all identity locks first: kGroupBusy, with the
    /// supervisor or the worker that runs, if one is held; nothing is removed then. False if there
    /// was nothing to remove. For root: of all users' groups of that name; what is refused for one
    /// of them is thrown after the others'. kOtherOwner if there is only another user's.
    static bool remove(const std::string& name);
    static bool remove(const std::string& name, std::error_code& error);
    /// The same for the supervisor, who keeps his claim, and with it the lock file.
    static bool remove(const SupervisorClaim& claim);
    static bool remove(const SupervisorClaim& claim, std::error_code& error);

    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    Group(Group&&) noexcept;
    Group& operator=(Group&&) noexcept;
    ~Group();

    [[nodiscard]] const std::string& name() const noexcept;
    [[nodiscard]] const layout::Geometry& geometry() const noexcept;
    /// Whether this call to create_or_open() was the birth.
    [[nodiscard]] bool created() const noexcept;

    /// What the worker told last; nothing if its object cannot be read any more.
    [[nodiscard]] std::optional<VitalSigns> vital_signs(WorkerIndex index) const noexcept;
    /// Messages that worker `index` has in use (HELD), or had when it died, in the order of the
    /// channels. Bounded by N − 1.
    [[nodiscard]] std::vector<HeldMessage> held_by(WorkerIndex index) const;
    /// New messages that worker `index` has acquired, over all incarnations.
    [[nodiscard]] std::uint64_t read_by(WorkerIndex index) const noexcept;
    /// Both for all workers at once, by index: one look at each channel, where asking worker by
    /// worker would be N looks at each.
    [[nodiscard]] std::vector<ConsumerTotals> consumer_totals() const;
    /// What worker `index` published last, without its bytes; nothing if there is nothing, or if it
    /// was overwritten in each of a bounded number of looks.
    [[nodiscard]] std::optional<MessageInfo> latest(WorkerIndex index) const noexcept;
    /// Whether a process holds the identity of worker `index`. Takes no lock.
    [[nodiscard]] bool running(WorkerIndex index) const;
    /// kOk; kNameLost if the object's name is gone or names another object now.
    [[nodiscard]] Errc verify_name(WorkerIndex index) const noexcept;

  private:
    struct State;
    explicit Group(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

}  // namespace shmipc
