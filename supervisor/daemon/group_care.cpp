#include "group_care.hpp"

#include "base/log.hpp"
#include <shmipc/error.hpp>

#include <cstdint>
#include <utility>

#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// Errors that say: these objects are whole or not, but not those that are wanted.
bool is_misfit(Errc code) noexcept {
    switch (code) {
        case Errc::kIncompleteGroup:
        case Errc::kLayoutVersion:
        case Errc::kLayoutHash:
        case Errc::kTruncated:
        case Errc::kGroupSizeMismatch:
        case Errc::kIndexMismatch:
        case Errc::kCapacityMismatch:
        case Errc::kSlotCountMismatch:
        case Errc::kGenerationMismatch:
            return true;
        default:
            return false;
    }
}

void report_taken_up(const Config& config, const Group& group) {
    const layout::Geometry geometry = group.geometry();
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t memory = geometry.workers * geometry.backed_bytes(page);
    log::log(log::Level::kInfo,
             group.created() ? log::Event::kGroupCreated : log::Event::kSupervisorStarting,
             std::string(group.created() ? "created" : "took up") + " group '" + config.group.name +
                 "': " + std::to_string(geometry.workers) + " workers, messages of up to " +
                 std::to_string(geometry.capacity) + " bytes, " + std::to_string(geometry.slots) +
                 " slots a channel, " + std::to_string(memory / 1024) + " KiB of shared memory");
}

}  // namespace

Group take_up_group(const Config& config, const SupervisorClaim& claim) {
    try {
        Group group = Group::create_or_open(config.group);
        report_taken_up(config, group);
        return group;
    } catch (const Error& error) {
        if (config.persist || !is_misfit(error.errc())) {
            throw;
        }
        // Refused, and the first error told, if a worker holds its identity.
        std::error_code refused;
        if (!Group::remove(claim, refused)) {
            throw;
        }
        log::log(log::Level::kWarning, log::Event::kGroupRemoved,
                 "removed the objects that an earlier supervisor left, since they do not fit: " +
                     error.text());
    }
    Group group = Group::create_or_open(config.group);
    report_taken_up(config, group);
    return group;
}

ExitCode leave_group(const Config& config, const SupervisorClaim& claim, bool created,
                     ExitCode code) {
    const bool in_order = code == ExitCode::kOk;
    const bool start_failed = code == ExitCode::kStartFailed || code == ExitCode::kConfig;
    if (config.persist || !(in_order || (start_failed && created))) {
        log::log(log::Level::kInfo, log::Event::kMessage,
                 "the objects of group '" + config.group.name + "' stay, with their last messages");
        return code;
    }
    try {
        if (Group::remove(claim)) {
            log::log(log::Level::kInfo, log::Event::kGroupRemoved,
                     "removed the objects of group '" + config.group.name + "'");
        }
        return code;
    } catch (const Error& error) {
        log::log(log::Level::kError, log::Event::kSupervisorFailed,
                 "the objects of group '" + config.group.name + "' stay: " + error.text());
        return in_order ? ExitCode::kGroup : code;
    }
}

void ClaimCare::look() {
    std::string wrong;
    try {
        std::uint32_t holder = 0;
        if (!claim_.renew(holder)) {
            wrong = "somebody removed the lock file of group '" + claim_.group() +
                    "' from /dev/shm, and another supervisor, pid " +
                    (holder != 0 ? std::to_string(holder) : "unknown") +
                    ", has made it anew: stop one of the two";
        }
    } catch (const Error& error) {
        wrong = "somebody removed the lock file of group '" + claim_.group() +
                "' from /dev/shm, and it cannot be made anew: " + error.text();
    }
    if (!wrong.empty() && wrong != told_) {
        log::log(log::Level::kError, log::Event::kMessage, wrong);
    }
    told_ = std::move(wrong);
}

}  // namespace shmipc::supervisor
