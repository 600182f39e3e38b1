#include "group_fit.hpp"

#include "base/os.hpp"
#include "shared/file.hpp"
#include "shared/remedy.hpp"
#include <shmipc/error.hpp>
#include <shmipc/ids.hpp>
#include <shmipc/layout.hpp>

#include <cstdint>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// The header of worker 0's object: those of one birth say the same.
std::optional<layout::Header> header_of(const std::string& group) {
    os::Fd object;
    try {
        object = open_regular_file("/dev/shm/" + object_name(group, WorkerIndex{0}), O_RDONLY,
                                   Links::kRefuse);
    } catch (const Error&) {
        return std::nullopt;  // there is none, or none of ours
    }
    struct stat status {};
    layout::Header header{};
    if (::fstat(object.get(), &status) != 0 || (status.st_uid != ::geteuid() && ::geteuid() != 0) ||
        os::retry([&] { return ::pread(object.get(), &header, sizeof(header), 0); }) !=
            static_cast<ssize_t>(sizeof(header)) ||
        header.magic != layout::kMagic) {
        return std::nullopt;
    }
    return header;
}

std::string differing(const char* what, std::uint64_t found, std::uint64_t expected) {
    return std::string("they have ") + what + " " + std::to_string(found) +
           ", and the configuration says " + std::to_string(expected);
}

/// What is other in the objects; empty if nothing is.
std::string difference(const layout::Header& header, const layout::Geometry& expected) {
    if (header.layout_version != layout::kLayoutVersion ||
        header.layout_hash != layout::layout_hash()) {
        return "they were made by another version of shmipc";
    }
    if (header.group_size != expected.workers) {
        return differing("workers =", header.group_size, expected.workers);
    }
    if (header.capacity != expected.capacity) {
        return differing("capacity =", header.capacity, expected.capacity);
    }
    if (header.slot_count != expected.slots) {
        return differing("slots =", header.slot_count, expected.slots);
    }
    return {};
}

}  // namespace

std::string misfit_of_objects(const Config& config) {
    if (!config.persist) {
        return {};
    }
    const std::string& group = config.group.name;
    const auto header = header_of(group);
    const std::string other = header ? difference(*header, config.group.geometry()) : "";
    if (other.empty()) {
        return {};
    }
    return "with persist = true group '" + group +
           "' cannot be started again on its objects: " + other +
           "; take the change back, or give up the messages: stop the group (systemctl stop " +
           unit_of(group) + "), shmipcctl --group " + group + " clean, and start it";
}

}  // namespace shmipc::supervisor
