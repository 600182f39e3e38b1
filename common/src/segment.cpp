#include "segment.hpp"

#include "base/held_signal.hpp"
#include "base/os.hpp"
#include "names.hpp"
#include "remedy.hpp"
#include <shmipc/error.hpp>

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::detail {

namespace bip = boost::interprocess;

namespace {

constexpr const char* kDirectory = "/dev/shm";

std::string in_quotes(const std::string& name) {
    return "object '" + name + "'";
}

Error boost_error(const bip::interprocess_exception& error, const std::string& what) {
    return Error::from_errno(Errc::kSystem, error.get_native_error(), what);
}

template <class Number>
Error mismatch(Errc code, const std::string& name, const std::string& remove, const char* what,
               Number expected, Number found) {
    return {code, in_quotes(name) + " has " + what + " " + std::to_string(found) + ", expected " +
                      std::to_string(expected) +
                      ": start all programs of the group with the same value, or remove the old "
                      "group once its workers are stopped (" +
                      remove + ")"};
}

/// The group of an object of this name.
std::string group_of(const std::string& name) {
    const std::size_t begin = name.find('.') + 1;
    return name.substr(begin, name.find('.', begin) - begin);
}

std::string removal(const std::string& name) {
    return clean_command(group_of(name));
}

/// Reserves [offset, offset + bytes), so that a full file system is an error here and not a SIGBUS
/// in whoever touches the page first.
void reserve(int fd, std::uint64_t offset, std::uint64_t bytes, const std::string& name) {
    int error = 0;
    do {
        error = posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes));
    } while (error == EINTR);
    if (error != 0) {
        throw Error::from_errno(Errc::kSystem, error,
                                "cannot reserve " + describe_bytes(bytes) + " in " +
                                    std::string(kDirectory) + " for " + in_quotes(name) +
                                    remedy_of(error));
    }
}

}  // namespace

Generation Generation::random() {
    Generation generation;
    const auto got = os::require("cannot get random bytes", [&] {
        return getrandom(generation.bits.data(), sizeof generation.bits, 0);
    });
    if (static_cast<std::size_t>(got) != sizeof generation.bits) {
        throw Error(Errc::kSystem, "cannot get random bytes: too few");
    }
    return generation;
}

struct Segment::Object {
    os::Fd file;
};

Segment::Segment(std::unique_ptr<Object> object, std::string name)
    : object_(std::move(object)), name_(std::move(name)) {}
Segment::Segment(Segment&&) noexcept = default;
Segment& Segment::operator=(Segment&&) noexcept = default;
Segment::~Segment() = default;

int Segment::fd() const noexcept {
    return object_->file.get();
}

std::string Segment::create(const std::string& group, WorkerIndex index,
                            const layout::Geometry& geometry, const Generation& generation) {
    const std::string name = object_name(group, index);
    // Beyond RLIMIT_FSIZE the kernel would kill the program, which could not say why.
    const HeldSignal held(SIGXFSZ);
    // Mode 0660 less umask.
    const os::Fd file(os::above_standard(
        os::retry([] { return ::open(kDirectory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0660); })));
    if (!file) {
        throw Error::from_errno(
            Errc::kSystem, errno,
            "cannot create " + in_quotes(name) + " in " + kDirectory + remedy_of(errno));
    }
    os::require("cannot size " + in_quotes(name),
                [&] { return ftruncate(file.get(), static_cast<off_t>(geometry.object_bytes())); });
    reserve(file.get(), 0, layout::Geometry::producer_bytes(), name);
    reserve(file.get(), layout::Geometry::shared_offset(), geometry.shared_bytes(), name);
    reserve(file.get(), geometry.slots_offset(), geometry.slots_bytes(), name);

    // Everything else is zero: nothing published, all cells free, nobody has attached.
    const layout::Header header{.magic = layout::kMagic,
                                .layout_version = layout::kLayoutVersion,
                                .group_size = geometry.workers,
                                .layout_hash = layout::layout_hash(),
                                .generation = {generation.bits[0], generation.bits[1]},
                                .index = to_number(index),
                                .slot_count = geometry.slots,
                                .capacity = geometry.capacity,
                                .object_bytes = geometry.object_bytes()};
    const auto written = os::require("cannot write the header of " + in_quotes(name),
                                     [&] { return pwrite(file.get(), &header, sizeof header, 0); });
    if (static_cast<std::size_t>(written) != sizeof header) {
        throw Error(Errc::kSystem, "cannot write the header of " + in_quotes(name));
    }
    // The birth: from here on the object is there, whole.
    auto given = give_name(file.get(), name, geteuid());
    if (!given) {
        throw Error::from_errno(Errc::kSystem, EEXIST, "cannot link " + in_quotes(name));
    }
    return std::move(*given);
}

std::optional<Segment> Segment::open_of(const std::string& group, WorkerIndex index, Access access,
                                        uid_t owner) {
    auto opened = open_name(object_name(group, index),
                            access == Access::kTakePart ? O_RDWR : O_RDONLY, owner);
    if (!opened) {
        return std::nullopt;
    }
    Segment segment(std::make_unique<Object>(Object{std::move(opened->file)}),
                    std::move(opened->name));
    segment.owner_ = owner;
    segment.check(index);
    return segment;
}

Segment Segment::open(const std::string& group, WorkerIndex index, Access access) {
    if (access == Access::kInspect) {
        return inspect(group, index);
    }
    if (auto own = open_of(group, index, access, geteuid())) {
        return std::move(*own);
    }
    const std::string name = object_name(group, index);
    struct stat status {};
    if (lstat(path_of(name).c_str(), &status) != 0) {
        throw Error(Errc::kNoGroup, "there is no " + in_quotes(name) + " in " + kDirectory +
                                        ": group '" + group +
                                        "' has not been started, or has been removed");
    }
    if (!S_ISREG(status.st_mode)) {
        throw Error(Errc::kNotAnObject, in_quotes(name) + " is not a regular file");
    }
    throw Error(Errc::kOtherOwner, in_quotes(name) + " belongs to user " +
                                       std::to_string(status.st_uid) + ", expected " +
                                       std::to_string(geteuid()) +
                                       ": run as that user, or choose another group name");
}

Segment Segment::inspect(const std::string& group, WorkerIndex index) {
    const std::string name = object_name(group, index);
    std::vector<uid_t> owners{geteuid()};
    std::optional<Error> refused;
    // The usual case without reading the directory; what is wrong with it is told if nothing else
    // is there.
    try {
        if (auto plain = open_plain(name, O_RDONLY, std::nullopt)) {
            if (plain->owner == geteuid() || with_digits(name).empty()) {
                Segment segment(std::make_unique<Object>(Object{std::move(plain->file)}), name);
                segment.owner_ = plain->owner;
                segment.check(index);
                return segment;
            }
            owners.push_back(plain->owner);
        }
    } catch (const Error& error) {
        refused = error;
    }
    for (const Name& other : with_digits(name)) {
        owners.push_back(other.owner);
    }
    for (const uid_t owner : owners) {
        try {
            if (auto segment = open_of(group, index, Access::kInspect, owner)) {
                return std::move(*segment);
            }
        } catch (const Error& error) {
            refused = refused ? refused : error;
        }
    }
    if (refused) {
        throw Error(*refused);
    }
    return open(group, index, Access::kObserve);  // says why not
}

Segment Segment::open(const std::string& group, WorkerIndex index, Access access,
                      const Segment& first) {
    auto segment = open_of(group, index, access, first.owner());
    if (!segment) {
        throw Error(Errc::kNoGroup,
                    "there is no " + in_quotes(object_name(group, index)) + " of user " +
                        std::to_string(first.owner()) + " in " + kDirectory +
                        ", whose object 0 is there: stop the group's " +
                        "workers and remove the rest (" + clean_command(group) + ")");
    }
    segment->require_like(group, first.geometry(), first.generation());
    return std::move(*segment);
}

Segment Segment::open(const std::string& group, WorkerIndex index, Access access,
                      const layout::Geometry& expected, const Generation& generation) {
    Segment segment = open(group, index, access);
    segment.require_like(group, expected, generation);
    return segment;
}

void Segment::require_like(const std::string& group, const layout::Geometry& expected,
                           const Generation& generation) const {
    require_geometry(expected);
    if (generation_ != generation) {
        throw Error(Errc::kGenerationMismatch,
                    in_quotes(name_) + " is of another generation than object '" +
                        object_name(group, WorkerIndex{0}) +
                        "': the group was removed and created again meanwhile; start again, or "
                        "stop its workers and remove it (" +
                        clean_command(group) + ")");
    }
}

void Segment::check(WorkerIndex index) {
    struct stat status {};
    os::require("cannot look at " + in_quotes(name_), [&] { return fstat(fd(), &status); });
    const auto size = static_cast<std::uint64_t>(status.st_size);
    layout::Header header{};
    if (size < sizeof header) {
        throw Error(Errc::kTruncated, in_quotes(name_) + " has " + std::to_string(size) +
                                          " bytes, expected at least " +
                                          std::to_string(sizeof header) + ": remove it (" +
                                          removal(name_) + ")");
    }
    const auto got = os::require("cannot read " + in_quotes(name_),
                                 [&] { return pread(fd(), &header, sizeof header, 0); });
    if (static_cast<std::size_t>(got) != sizeof header || header.magic != layout::kMagic) {
        throw Error(Errc::kNotAnObject,
                    in_quotes(name_) +
                        " does not begin with the magic number of shmipc: another "
                        "program uses this name; choose another group name");
    }
    if (header.layout_version != layout::kLayoutVersion) {
        throw mismatch(Errc::kLayoutVersion, name_, removal(name_), "layout version",
                       layout::kLayoutVersion, header.layout_version);
    }
    if (header.layout_hash != layout::layout_hash()) {
        throw mismatch(Errc::kLayoutHash, name_, removal(name_), "layout hash",
                       layout::layout_hash(), header.layout_hash);
    }
    if (header.index != to_number(index)) {
        throw mismatch(Errc::kIndexMismatch, name_, removal(name_), "worker index",
                       to_number(index), header.index);
    }
    geometry_ = {header.group_size, header.slot_count, header.capacity};
    generation_.bits = {header.generation[0], header.generation[1]};
    if (!geometry_.valid()) {
        throw Error(Errc::kNotAnObject, in_quotes(name_) +
                                            " has a corrupt header: stop the workers of the group "
                                            "and remove it (" +
                                            removal(name_) + ")");
    }
    if (size != geometry_.object_bytes() || header.object_bytes != size) {
        throw Error(Errc::kTruncated,
                    in_quotes(name_) + " has " + std::to_string(size) + " bytes, expected " +
                        std::to_string(geometry_.object_bytes()) +
                        ": stop the workers of the group and remove it (" + removal(name_) + ")");
    }
}

void Segment::require_geometry(const layout::Geometry& expected) const {
    if (geometry_.workers != expected.workers) {
        throw mismatch(Errc::kGroupSizeMismatch, name_, removal(name_), "number of workers",
                       expected.workers, geometry_.workers);
    }
    if (geometry_.capacity != expected.capacity) {
        throw mismatch(Errc::kCapacityMismatch, name_, removal(name_), "message capacity",
                       expected.capacity, geometry_.capacity);
    }
    if (geometry_.slots != expected.slots) {
        throw mismatch(Errc::kSlotCountMismatch, name_, removal(name_), "number of slots",
                       expected.slots, geometry_.slots);
    }
}

bool Segment::has_its_name() const noexcept {
    return is_named(fd(), name_);
}

struct Mapping::Region {
    bip::mapped_region whole;
    pid_t maker;
};

void Mapping::Unmap::operator()(Region* region) const noexcept {
    if (region->maker == getpid()) {
        std::default_delete<Region>()(region);
    }  // else: a forked child, where it leaks
}

namespace {

/// boost's mapped_region takes what has a mapping handle; the segment keeps its object to itself.
struct Mappable {
    bip::mapping_handle_t handle;
    [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const noexcept { return handle; }
};

bip::mapped_region map(const Mappable& object, bip::mode_t mode, std::uint64_t bytes,
                       const std::string& name) {
    try {
        bip::mapped_region region(object, mode, 0, static_cast<std::size_t>(bytes));
        // A child must not keep the object's open file, and with it the identity lock, alive.
        os::require("cannot keep " + in_quotes(name) + " out of forked children", [&] {
            return madvise(region.get_address(), region.get_size(), MADV_DONTFORK);
        });
        return region;
    } catch (const bip::interprocess_exception& error) {
        throw boost_error(error, "cannot map " + in_quotes(name));
    }
}

}  // namespace

Mapping::Mapping(const Segment& segment, Role role) : geometry_(segment.geometry()) {
    const Mappable object{bip::ipcdetail::mapping_handle_from_file_handle(segment.fd())};
    const bip::mode_t mode = role == Role::kProducer ? bip::read_write : bip::read_only;
    region_.reset(
        new Region{map(object, mode, geometry_.object_bytes(), segment.name()), getpid()});
    if (role == Role::kConsumer) {
        // One mapping and a change of its middle cost half of what three mappings do; a group of N
        // has N² of them.
        os::require("cannot map " + in_quotes(segment.name()) + " for writing", [&] {
            return mprotect(base() + layout::Geometry::shared_offset(), geometry_.shared_bytes(),
                            PROT_READ | PROT_WRITE);
        });
    }
}

std::byte* Mapping::base() const noexcept {
    return static_cast<std::byte*>(region_->whole.get_address());
}

Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;
Mapping::~Mapping() = default;

protocol::Channel Mapping::channel() const noexcept {
    return {geometry_, base(), base() + layout::Geometry::shared_offset(),
            base() + geometry_.slots_offset()};
}

namespace {

std::string link_of(int directory, const char* name) {
    std::array<char, 512> target{};
    const ssize_t length = readlinkat(directory, name, target.data(), target.size());
    return {target.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

/// Whether the process may be the one that holds the object open as `fd` locked. True also where
/// nobody lets us look. Its pid is what the holder calls itself, which need not be what it is here.
bool may_hold(pid_t pid, int fd) {
    const bool self = pid == getpid();
    const std::string process = self ? "/proc/self" : "/proc/" + std::to_string(pid);
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir((process + "/fd").c_str()),
                                                        closedir);
    if (directory == nullptr) {
        // Hidden (hidepid=), or no /proc at all? Or another user's, who can have no object of ours?
        const bool gone = errno == ENOENT && kill(pid, 0) != 0 && errno == ESRCH;
        struct stat owner {};
        struct stat object {};
        const bool others = stat(process.c_str(), &owner) == 0 && fstat(fd, &object) == 0 &&
                            owner.st_uid != object.st_uid;
        return !gone && !others;
    }
    // By the text of the link: to follow it might mean to wait for somebody's dead file server.
    const std::string object = link_of(AT_FDCWD, ("/proc/self/fd/" + std::to_string(fd)).c_str());
    // Only what is open for writing, which the link's mode tells: whoever but looks is no holder.
    const bool ours = self && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    int found = ours ? -1 : 0;  // `fd` itself
    while (const dirent* entry = readdir(directory.get())) {
        struct stat status {};
        const bool writes =
            fstatat(dirfd(directory.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            (status.st_mode & S_IWUSR) != 0;
        found += writes && link_of(dirfd(directory.get()), entry->d_name) == object ? 1 : 0;
    }
    return found > 0;
}

}  // namespace

std::string describe_last_pid(int fd) {
    std::uint32_t pid = 0;
    constexpr auto kOffset =
        static_cast<off_t>(offsetof(layout::ProducerPart, vitals) + offsetof(layout::Vitals, pid));
    const auto got = os::retry([&] { return pread(fd, &pid, sizeof pid, kOffset); });
    if (got != sizeof pid || pid == 0) {
        return {};
    }
    const std::string number = std::to_string(pid);
    return pid <= INT32_MAX && may_hold(static_cast<pid_t>(pid), fd)
               ? " (last known pid " + number + ")"
               : " (as pid " + number + " of another pid namespace, such as a container's)";
}

std::string describe_bytes(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> kUnits{"bytes", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    std::array<char, 64> text{};
    if (unit == 0) {
        std::snprintf(text.data(), text.size(), "%llu bytes",
                      static_cast<unsigned long long>(bytes));
    } else {
        std::snprintf(text.data(), text.size(), "%.1f %s (%llu bytes)", value, kUnits[unit],
                      static_cast<unsigned long long>(bytes));
    }
    return text.data();
}

}  // namespace shmipc::detail
