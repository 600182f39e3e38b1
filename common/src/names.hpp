// The names that a group has in /dev/shm, and whose they are. Everything that opens, lists or
// removes a group's files goes through here.
//
// /dev/shm is everybody's: another user may put a file, directory, pipe or link at any name before
// we do, and nobody but he and root can remove it. So a name counts only if it is a regular file of
// the group's user; where one that we need is another's, the file is called `<name>.<16 hexadecimal
// digits>` instead, random ones, which nobody can take beforehand. The plain name is tried first,
// and the directory is read only where that is missing or another's.
#pragma once

#include "base/os.hpp"
#include <shmipc/ids.hpp>

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace shmipc::detail {

/// Path of an object or lock file in the shared-memory file system.
std::string path_of(const std::string& name);

/// "shmipc.demo.lock"; see lock_file.hpp.
std::string lock_name(const std::string& group);

/// A regular file that bears a group's name.
struct Name {
    std::string file;                  ///< as it is called, without the directory
    std::optional<WorkerIndex> index;  ///< of the object; nothing: a lock file
    uid_t owner = 0;
};

/// All of them, of all users: objects in ascending order, then lock files; of two for the same, the
/// plain name first.
std::vector<Name> names_of(const std::string& group);

struct OpenName {
    os::Fd file;       ///< a regular file
    std::string name;  ///< as it is called
    uid_t owner = 0;
};

/// Opens what the plain name `name` leads to: a regular file of `owner`, or of anybody. Looked at
/// after it was opened, since names can be swapped in between. Nothing: there is none, or it is
/// another's. Throws Error if the system refuses a file that counts.
std::optional<OpenName> open_plain(const std::string& name, int flags, std::optional<uid_t> owner);

/// Opens the file of `owner` that `name` stands for: the plain one, else one with digits.
std::optional<OpenName> open_name(const std::string& name, int flags, uid_t owner);

/// The files of all users that are called `name` and digits, in ascending order.
std::vector<Name> with_digits(const std::string& name);

/// Gives a nameless file (O_TMPFILE) of `owner` the name `name` or, if that is another's, one with
/// digits. Returns which; nothing if a file of `owner` has it. Throws Error, with whose the plain
/// name is.
std::optional<std::string> give_name(int fd, const std::string& name, uid_t owner);

/// Whether the name leads to this open file.
bool is_named(int fd, const std::string& name) noexcept;

/// Unlinks a file; false if there was none. Throws kNoPermission, kSystem.
bool unlink_name(const std::string& name);

/// What bears the plain name: "belongs to user 1001, and is not a regular file"; empty: nothing.
std::string describe_name(const std::string& name);

/// What a system call's error on /dev/shm asks for, to be appended to its text; or nothing.
std::string remedy_of(int error_number);

}  // namespace shmipc::detail
