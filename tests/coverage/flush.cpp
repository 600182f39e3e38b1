// Linked into each program of a coverage build: the counters also count what a process has run that
// ends by _exit(), abort() or SIGTERM, or becomes another program. (GCC writes them when exit() is
// called.)
#include <csignal>

extern "C" {
#include <gcov.h>  // says nothing of C++
}

// The linker's --wrap gives them these names.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
[[noreturn]] void __real__exit(int status);
[[noreturn]] void __real_abort();
int __real_execve(const char* program, char* const* arguments, char* const* environment);

[[noreturn]] void __wrap__exit(int status) {
    __gcov_dump();
    __real__exit(status);
}

[[noreturn]] void __wrap_abort() {
    __gcov_dump();
    __real_abort();
}

int __wrap_execve(const char* program, char* const* arguments, char* const* environment) {
    __gcov_dump();
    const int result = __real_execve(program, arguments, environment);
    __gcov_reset();  // what was written is not counted again
    return result;
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace {

/// For programs that leave SIGTERM as it is; the others replace the handler, and exit in order.
[[gnu::constructor]] void count_at_sigterm() {
    struct sigaction action {};
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    action.sa_handler = [](int number) {
        __gcov_dump();
        static_cast<void>(std::raise(number));  // by default now, when the handler returns
    };
    sigaction(SIGTERM, &action, nullptr);
}

}  // namespace
