// Workers that a supervisor has to tell apart. The first argument says how this one behaves; a file
// named by the second makes each later life a good one ("wait"), so that a test sees one hang.
//
// Group, number and so on come from the environment, as the supervisor sets it.
#include <shmipc/worker.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Computes without giving any sign of life.
void spin_for(Clock::duration time) {
    const auto end = Clock::now() + time;
    volatile unsigned number = 0;
    while (Clock::now() < end) {
        number = number + 1;
    }
}

/// Much memory, so that its core takes the kernel a while to write.
std::unique_ptr<char[]> fill_memory(std::size_t bytes) {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_CORE, &unlimited);
    auto memory = std::make_unique<char[]>(bytes);
    std::memset(memory.get(), 0x5a, bytes);
    return memory;
}

[[noreturn]] void behave(std::string_view how, shmipc::Worker& worker) {
    if (how == "slow") {  // a sign of life now and then, and hard work between
        for (;;) {
            spin_for(600ms);
            worker.beat();
        }
    }
    if (how == "publish") {  // neither waits nor beats: what it publishes is its sign
        auto producer = worker.producer<>();
        for (;;) {
            producer.publish(std::as_bytes(std::span("x")));
            std::this_thread::sleep_for(100ms);
        }
    }
    if (how == "spin") {
        for (;;) {
            spin_for(1h);
        }
    }
    if (how == "sleep") {  // not in the library: a deadlock looks so
        for (;;) {
            ::pause();
        }
    }
    for (;;) {  // "wait": idle
        worker.wait_newer({}, Clock::now() + 1h);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::string how = argc > 1 ? argv[1] : "wait";
    if (argc > 2) {
        const std::string mark = std::string(argv[2]) + "." + std::getenv("SHMIPC_INDEX");
        if (::access(mark.c_str(), F_OK) == 0) {
            how = "wait";
        }
        std::ofstream(mark) << "lived\n";
    }
    try {
        std::unique_ptr<shmipc::Worker> far;
        if (how == "bridge") {  // member of another group too, and of that one first
            const shmipc::GroupConfig group{
                .name = std::string(std::getenv("SHMIPC_GROUP")) + "-far", .workers = 4};
            const auto index = std::stoul(std::getenv("SHMIPC_INDEX"));
            far = std::make_unique<shmipc::Worker>(shmipc::Worker::attach(
                group, shmipc::WorkerIndex{static_cast<std::uint32_t>(index)}));
        }
        auto worker = shmipc::Worker::attach_from_environment();
        std::unique_ptr<char[]> memory;
        if (how == "dump") {
            memory = fill_memory(std::size_t{512} << 20U);
            how = "spin";
        }
        if (how == "deaf") {
            ::signal(SIGTERM, SIG_IGN);
            ::signal(SIGABRT, SIG_IGN);
            how = "spin";
        }
        worker.ready();
        behave(how, worker);
    } catch (const shmipc::Error& error) {
        std::fprintf(stderr, "odd_worker: %s\n", error.what());
        return 1;
    }
}
