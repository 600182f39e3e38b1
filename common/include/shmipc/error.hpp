// Errors that a caller must expect, one code for each, and the exception that carries them.
//
// Attaching, creating and removing throw shmipc::Error, whose text says what was expected, what was
// found and what to do about it; each has an overload with std::error_code&. The data path throws
// nothing: it returns an Errc.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace shmipc {

enum class Errc : std::uint8_t {
    kOk = 0,

    // Arguments.
    kInvalidGroupName,  ///< not [A-Za-z0-9_-]{1,64}
    kInvalidGeometry,   ///< workers, capacity or slots out of range
    kInvalidIndex,      ///< worker index not below the number of workers, or one's own channel

    // Finding, creating and opening a group's objects.
    kNoGroup,             ///< the group has no objects
    kIncompleteGroup,     ///< some of a used group's objects are missing
    kNoSpace,             ///< /dev/shm has not enough room
    kNoPermission,        ///< the system refuses access
    kOtherOwner,          ///< an object belongs to another user
    kNotAnObject,         ///< magic number differs, or not a regular file
    kLayoutVersion,       ///< written by another version of the layout
    kLayoutHash,          ///< same version, but compiled with other sizes or alignments
    kTruncated,           ///< the object's size is not the one that its header tells
    kGroupSizeMismatch,   ///< made for another number of workers
    kIndexMismatch,       ///< the object of another worker under this name
    kCapacityMismatch,    ///< made for another message capacity
    kSlotCountMismatch,   ///< made with another number of slots
    kGenerationMismatch,  ///< objects of two births are mixed
    kPayloadMismatch,     ///< the channel carries another payload type

    // Identity.
    kIdentityBusy,  ///< this worker is already running
    kGroupBusy,     ///< a worker of the group is running, or another process creates or removes it
    kNameLost,      ///< the object was removed or replaced while it was in use
    kHandleTaken,   ///< this membership has handed out that producer or consumer already

    // The data path.
    kEmpty,            ///< nothing has been published yet
    kAlreadyPinned,    ///< a message is pinned: release it first
    kNotPinned,        ///< no message is pinned
    kCellOverwritten,  ///< another process wrote into this consumer's cell
    kCorruptChannel,   ///< shared memory holds values that the protocol cannot produce
    kTooLarge,         ///< longer than the capacity
    kAlreadyLoaned,    ///< a loan is open: publish or return it first
    kNotLoaned,        ///< no loan is open
    kTimeout,          ///< the deadline passed
    kInterrupted,      ///< Worker::interrupt() was called
    kContended,        ///< an observer was overtaken in every one of its tries

    kSystem,  ///< a system call failed: the text tells what was tried, and why not
};

const std::error_category& category() noexcept;

inline std::error_code make_error_code(Errc code) noexcept {
    return {static_cast<int>(code), category()};
}

/// What attaching, creating, opening and removing throw. what() is one line: what failed, expected
/// and found, and the remedy.
class Error : public std::system_error {
  public:
    Error(Errc code, const std::string& text);

    [[nodiscard]] Errc errc() const noexcept { return static_cast<Errc>(code().value()); }
    /// errno of the failed system call; 0 if there was none.
    [[nodiscard]] int system_errno() const noexcept { return system_errno_; }
    /// Only the text, without the category's words that std::system_error appends.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

    /// For a failed system call: the text becomes "<text>: <strerror>", and of a limit that was
    /// reached which it is. In place of kSystem, what is forbidden and what is full get codes of
    /// their own.
    static Error from_errno(Errc code, int error_number, const std::string& text);

  private:
    std::string text_;
    int system_errno_ = 0;
};

}  // namespace shmipc

template <>
struct std::is_error_code_enum<shmipc::Errc> : std::true_type {};
