// Preloaded into programs under test: the machine's clock as somebody has set it. The file that
// SHMIPC_TEST_CLOCK names holds by how many seconds, as a number of 64 bits that may change at any
// time. Other clocks are as they are, and the kernel knows nothing of it: a wait until a time of
// day, which is what a change of the clock breaks, would end at once or in some years.
#include <atomic>
#include <cstdint>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

namespace {

const std::atomic<std::int64_t>* find_offset() {
    const char* const path = std::getenv("SHMIPC_TEST_CLOCK");
    const int fd = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        std::abort();
    }
    void* const page = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        std::abort();
    }
    ::close(fd);
    return static_cast<const std::atomic<std::int64_t>*>(page);
}

std::int64_t offset() {
    static const std::atomic<std::int64_t>* const seconds = find_offset();
    return seconds->load();
}

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): these are the C library's
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
    using Function = int (*)(clockid_t, timespec*);
    static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "clock_gettime"));
    const int result = next(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        time->tv_sec += offset();
    }
    return result;
}

extern "C" int gettimeofday(timeval* time, void* /*zone*/) noexcept {
    timespec now{};
    const int result = clock_gettime(CLOCK_REALTIME, &now);
    *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return result;
}

extern "C" time_t time(time_t* result) noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (result != nullptr) {
        *result = now.tv_sec;
    }
    return now.tv_sec;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
