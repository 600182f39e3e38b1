// One shared-memory object: creating it complete, opening it checked, mapping it with the
// protection that each part is meant to have. The only user of Boost.Interprocess, for mappings.
//
// Mappings only: Boost's managed segments and mutexes keep locks inside the shared memory, where a
// death strands them; its objects keep any descriptor that they get, also a standard one.
#pragma once

#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>
#include <shmipc/protocol/channel.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

namespace shmipc::detail {

/// Random, the same in all objects of one birth.
struct Generation {
    std::array<std::uint64_t, 2> bits{};
    static Generation random();
    friend bool operator==(const Generation&, const Generation&) = default;
};

enum class Access : std::uint8_t {
    kInspect,  ///< read-only, belonging to any user
    kObserve,  ///< read-only, belonging to this user
    kTakePart  ///< read and write, belonging to this user
};

/// An open object whose header has been checked against its true size and, by open(), against what
/// the caller expects.
class Segment {
  public:
    /// Makes the object of worker `index` complete before it has a name: space reserved, header
    /// written; then links it. Returns its name, which has digits where another user has taken the
    /// plain one (names.hpp). Throws kNoSpace, kNoPermission, kSystem; leaves nothing behind then,
    /// nor at a death anywhere in between. EEXIST is kSystem: callers hold the group's lock.
    static std::string create(const std::string& group, WorkerIndex index,
                              const layout::Geometry& geometry, const Generation& generation);

    /// Throws kNoGroup if there is no such object, and a code of its own for everything that is
    /// wrong with it. To inspect: this user's object, if there is one; else the plain name's, if it
    /// is an object; else one with digits.
    static Segment open(const std::string& group, WorkerIndex index, Access access);
    /// The same, and throws k…Mismatch where geometry or generation differ. Of two users' objects
    /// that of `first`'s, the one that was opened before.
    static Segment open(const std::string& group, WorkerIndex index, Access access,
                        const Segment& first);
    /// The same for those that take part, whose user is known.
    static Segment open(const std::string& group, WorkerIndex index, Access access,
                        const layout::Geometry& expected, const Generation& generation);

    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;
    Segment(Segment&&) noexcept;
    Segment& operator=(Segment&&) noexcept;
    ~Segment();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] int fd() const noexcept;
    [[nodiscard]] const layout::Geometry& geometry() const noexcept { return geometry_; }
    [[nodiscard]] const Generation& generation() const noexcept { return generation_; }
    [[nodiscard]] uid_t owner() const noexcept { return owner_; }
    /// Throws k…Mismatch with both values.
    void require_geometry(const layout::Geometry& expected) const;
    /// Whether the object's name still leads to this object.
    [[nodiscard]] bool has_its_name() const noexcept;

  private:
    struct Object;
    Segment(std::unique_ptr<Object> object, std::string name);
    static std::optional<Segment> open_of(const std::string& group, WorkerIndex index,
                                          Access access, uid_t owner);
    static Segment inspect(const std::string& group, WorkerIndex index);
    void check(WorkerIndex index);
    void require_like(const std::string& group, const layout::Geometry& expected,
                      const Generation& generation) const;

    std::unique_ptr<Object> object_;
    std::string name_;
    layout::Geometry geometry_;
    Generation generation_;
    uid_t owner_ = 0;
};

enum class Role : std::uint8_t {
    kProducer,  ///< all parts read-write
    kConsumer,  ///< only the shared part read-write
    kObserver   ///< all read-only
};

/// A mapped object. Left out of forked children (MADV_DONTFORK), where destroying it does nothing:
/// its addresses may belong to something else there. Needs the segment only while it is made.
class Mapping {
  public:
    Mapping(const Segment& segment, Role role);
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping(Mapping&&) noexcept;
    Mapping& operator=(Mapping&&) noexcept;
    ~Mapping();

    [[nodiscard]] protocol::Channel channel() const noexcept;

  private:
    [[nodiscard]] std::byte* base() const noexcept;

    struct Region;
    struct Unmap {
        void operator()(Region* region) const noexcept;
    };
    std::unique_ptr<Region, Unmap> region_;
    layout::Geometry geometry_;
};

/// " (last known pid 4711)" from the object's vital signs, of an object that somebody else holds
/// locked; that it is another pid namespace's where no such process here has it open; or nothing.
std::string describe_last_pid(int fd);

/// Bytes for people: "1.5 MiB (1572864 bytes)".
std::string describe_bytes(std::uint64_t bytes);

}  // namespace shmipc::detail
