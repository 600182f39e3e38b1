// Preloaded into programs under test: while the file that SHMIPC_TEST_NO_FORK names exists, fork()
// fails as it does at the limit of processes. The true limit, RLIMIT_NPROC, is none for root, whom
// these tests may run as.
#include <cerrno>
#include <cstdlib>

#include <dlfcn.h>
#include <unistd.h>

extern "C" pid_t fork() noexcept {
    using Function = pid_t (*)();
    static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "fork"));
    const char* const path = std::getenv("SHMIPC_TEST_NO_FORK");
    if (path == nullptr) {
        std::abort();
    }
    if (::access(path, F_OK) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return next();
}
