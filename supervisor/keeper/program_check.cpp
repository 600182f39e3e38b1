#include "program_check.hpp"

#include "base/os.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <system_error>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shmipc::supervisor {
namespace {

/// As many interpreters of interpreters as the kernel follows.
constexpr int kDeepest = 5;
/// The kernel looks for the interpreter's name no further.
constexpr std::size_t kHead = 256;
/// Of the table in which a program names its loader.
constexpr std::size_t kMostSegments = 64;

std::string text_of(int error) {
    return std::system_category().message(error);
}

std::string read_at(int file, std::size_t length, off_t offset) {
    std::string bytes(length, '\0');
    const ssize_t got =
        os::retry([&] { return ::pread(file, bytes.data(), bytes.size(), offset); });
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

/// The word after "#!"; empty if there is none.
std::string interpreter_of_script(std::string_view head) {
    head.remove_prefix(2);
    head = head.substr(0, head.find('\n'));
    const std::size_t begin = head.find_first_not_of(" \t");
    if (begin == std::string_view::npos) {
        return {};
    }
    head.remove_prefix(begin);
    return std::string(head.substr(0, head.find_first_of(std::string_view(" \t\r\0", 4))));
}

/// The loader that a program of this machine's kind names; empty if it names none.
std::string loader_of_program(int file, const std::string& head) {
    Elf64_Ehdr header{};
    if (head.size() < sizeof(header)) {
        return {};
    }
    std::memcpy(&header, head.data(), sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
        return {};
    }
    const std::size_t count = std::min<std::size_t>(header.e_phnum, kMostSegments);
    const std::string table =
        read_at(file, count * sizeof(Elf64_Phdr), static_cast<off_t>(header.e_phoff));
    for (std::size_t i = 0; (i + 1) * sizeof(Elf64_Phdr) <= table.size(); ++i) {
        Elf64_Phdr segment{};
        std::memcpy(&segment, table.data() + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_INTERP && segment.p_filesz > 1 && segment.p_filesz <= kHead) {
            const std::string name =
                read_at(file, segment.p_filesz - 1, static_cast<off_t>(segment.p_offset));
            return name.substr(0, name.find('\0'));
        }
    }
    return {};
}

std::string why_not(const std::string& path, int depth);

std::string why_not_by(const std::string& kind, const std::string& path, int depth) {
    const std::string why = why_not(path, depth + 1);
    return why.empty() ? "" : "its " + kind + " " + path + " cannot be executed: " + why;
}

std::string why_not(const std::string& path, int depth) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return text_of(errno);
    }
    if (S_ISDIR(status.st_mode)) {
        return text_of(EISDIR);
    }
    if (!S_ISREG(status.st_mode)) {
        return "it is no regular file";
    }
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) {
        return text_of(errno);
    }
    // Not to be read, or swapped for something else meanwhile: exec will tell.
    const os::Fd file(os::retry(
        [&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return "";
    }
    const std::string head = read_at(file.get(), kHead, 0);
    if (head.empty()) {
        return "it is empty";
    }
    if (head.starts_with("#!")) {
        const std::string interpreter = interpreter_of_script(head);
        if (interpreter.empty()) {
            return "its first line names no interpreter";
        }
        return depth >= kDeepest ? text_of(ELOOP) : why_not_by("interpreter", interpreter, depth);
    }
    if (head.starts_with(ELFMAG)) {
        const std::string loader = loader_of_program(file.get(), head);
        return loader.empty() || depth >= kDeepest ? "" : why_not_by("loader", loader, depth);
    }
    return "";  // a kind that the kernel may have been told of (binfmt_misc)
}

}  // namespace

std::string why_not_executable(const std::string& path) {
    return why_not(path, 0);
}

}  // namespace shmipc::supervisor
