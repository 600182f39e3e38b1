#include <shmipc/error.hpp>

#include <cerrno>

#include <sys/resource.h>

namespace shmipc {

namespace {

class Category final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "shmipc"; }
    [[nodiscard]] std::string message(int value) const override { return describe(Errc(value)); }

  private:
    static const char* describe(Errc code) noexcept;
};

// One place for all texts, so that none is missing: -Wswitch finds an enumerator without one.
const char* Category::describe(Errc code) noexcept {
    switch (code) {
        case Errc::kOk:
            return "no error";
        case Errc::kInvalidGroupName:
            return "invalid group name";
        case Errc::kInvalidGeometry:
            return "workers, capacity or slots out of range";
        case Errc::kInvalidIndex:
            return "worker index out of range";
        case Errc::kNoGroup:
            return "the group does not exist";
        case Errc::kIncompleteGroup:
            return "objects of the group are missing";
        case Errc::kNoSpace:
            return "not enough room in /dev/shm";
        case Errc::kNoPermission:
            return "permission denied";
        case Errc::kOtherOwner:
            return "the object belongs to another user";
        case Errc::kNotAnObject:
            return "not an object of shmipc";
        case Errc::kLayoutVersion:
            return "another version of the shared-memory layout";
        case Errc::kLayoutHash:
            return "the shared-memory layout has other sizes or alignments";
        case Errc::kTruncated:
            return "the object has not the size that its header tells";
        case Errc::kGroupSizeMismatch:
            return "the group was made for another number of workers";
        case Errc::kIndexMismatch:
            return "the object belongs to another worker";
        case Errc::kCapacityMismatch:
            return "the group was made for another message capacity";
        case Errc::kSlotCountMismatch:
            return "the group was made with another number of slots";
        case Errc::kGenerationMismatch:
            return "objects of different generations";
        case Errc::kPayloadMismatch:
            return "the channel carries another payload type";
        case Errc::kIdentityBusy:
            return "the worker is already running";
        case Errc::kGroupBusy:
            return "the group is in use";
        case Errc::kNameLost:
            return "the object was removed or replaced while in use";
        case Errc::kHandleTaken:
            return "there is a producer or consumer of this channel already";
        case Errc::kEmpty:
            return "nothing has been published yet";
        case Errc::kAlreadyPinned:
            return "a message is pinned already: release it first";
        case Errc::kNotPinned:
            return "no message is pinned";
        case Errc::kCellOverwritten:
            return "another process wrote into this consumer's cell";
        case Errc::kCorruptChannel:
            return "the channel holds values that the protocol cannot produce";
        case Errc::kTooLarge:
            return "the message is longer than the capacity";
        case Errc::kAlreadyLoaned:
            return "a slot is on loan already: publish or return it first";
        case Errc::kNotLoaned:
            return "no slot is on loan";
        case Errc::kTimeout:
            return "the deadline has passed";
        case Errc::kInterrupted:
            return "interrupted";
        case Errc::kContended:
            return "overtaken by the producer in every try";
        case Errc::kSystem:
            return "a system call failed";
    }
    return "unknown error";
}

Errc errc_of(Errc fallback, int error_number) noexcept {
    if (fallback != Errc::kSystem) {
        return fallback;
    }
    switch (error_number) {
        case EACCES:
        case EPERM:
        case EROFS:
            return Errc::kNoPermission;
        case ENOSPC:
        case EDQUOT:
            return Errc::kNoSpace;
        default:
            return Errc::kSystem;
    }
}

/// " (RLIMIT_… is 8: LimitX=, ulimit -x)", or nothing where this process has no such limit.
std::string limit_of(__rlimit_resource resource, const char* name, const char* remedy) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return {};
    }
    return std::string(" (") + name + " is " + std::to_string(limit.rlim_cur) + remedy + ")";
}

/// Which limit of this process has been met, where the error may come of one.
std::string describe_limit(int error_number) {
    switch (error_number) {
        case EMFILE:
            return limit_of(RLIMIT_NOFILE, "RLIMIT_NOFILE",
                            ": raise it with LimitNOFILE= or ulimit -n");
        case ENFILE:
            return " (the system's limit: raise it with sysctl fs.file-max)";
        case EFBIG:
            return limit_of(RLIMIT_FSIZE, "RLIMIT_FSIZE",
                            " bytes: raise it with LimitFSIZE= or ulimit -f");
        case ENOMEM:
            return limit_of(RLIMIT_AS, "RLIMIT_AS", " bytes: raise it with LimitAS= or ulimit -v");
        default:
            return {};
    }
}

}  // namespace

const std::error_category& category() noexcept {
    static const Category instance;
    return instance;
}

Error::Error(Errc code, const std::string& text)
    : std::system_error(make_error_code(code), text), text_(text) {}

Error Error::from_errno(Errc code, int error_number, const std::string& text) {
    Error error(
        errc_of(code, error_number),
        text + ": " + std::generic_category().message(error_number) + describe_limit(error_number));
    error.system_errno_ = error_number;
    return error;
}

}  // namespace shmipc
