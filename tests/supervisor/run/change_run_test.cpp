// What somebody changes under a running group: the machine's clock, and the worker's program.
#include "base/os.hpp"
#include "control_fixture.hpp"
#include "run_fixture.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace shmipc;
using namespace shmipc::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

constexpr std::chrono::hours kYear{24 * 365};

/// The clock of the processes that set_clock.cpp is preloaded into.
class Clock {
  public:
    explicit Clock(const SupervisorRun& run) : path_(run.directory() + "/clock") {
        const os::Fd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(file);
        REQUIRE(::ftruncate(file.get(), sizeof(std::int64_t)) == 0);
        page_ = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED,
                       file.get(), 0);
        REQUIRE(page_ != MAP_FAILED);
    }
    ~Clock() { ::munmap(page_, sizeof(std::int64_t)); }
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;

    /// To the true time and so much.
    void set(std::chrono::seconds offset) const {
        static_cast<std::atomic<std::int64_t>*>(page_)->store(offset.count());
    }
    [[nodiscard]] std::vector<std::string> environment() const {
        return preloading(SHMIPC_SET_CLOCK, "SHMIPC_TEST_CLOCK=" + path_);
    }

  private:
    std::string path_;
    void* page_ = nullptr;
};

std::string program_of(pid_t pid) {
    return "/proc/" + std::to_string(pid) + "/exe";
}

/// Returns when the worker is ready again.
void kill_and_await(Process& supervisor, varlink::Client& client, int worker) {
    client.call("io.shmipc.Kill", worker_list({worker}));
    require_started(supervisor, static_cast<unsigned>(worker));
    client.call("io.shmipc.Start", worker_list({worker}));
}

}  // namespace

TEST_CASE("the clock may be set forward and back: nobody hangs, waits or is older than he is") {
    const SupervisorRun run;
    const Clock clock(run);
    const auto start = std::chrono::steady_clock::now();
    Process supervisor(run.command(stock_worker() + "heartbeat_limit = \"20s\"\n"),
                       clock.environment());
    require_line(supervisor, "3/3 workers ready");
    varlink::Client client = connect(run);
    std::int64_t uptime = 0;
    int deaths = 0;
    for (const std::chrono::seconds offset :
         {std::chrono::seconds{0}, std::chrono::seconds{10 * kYear},
          std::chrono::seconds{-30 * kYear}, std::chrono::seconds{1}, std::chrono::seconds{-1}}) {
        CAPTURE(offset.count());
        clock.set(offset);
        require_new_messages(run);
        kill_and_await(supervisor, client, 1);
        ++deaths;
        // It is the clock that was set: a time for people follows it.
        const json::object death = client.call("io.shmipc.Autopsy", worker_list({1}))
                                       .at("deaths")
                                       .as_array()
                                       .back()
                                       .as_object();
        const auto told = std::chrono::microseconds{number(death, "time_usec")};
        const auto now = std::chrono::system_clock::now().time_since_epoch() + offset;
        CHECK(told > now - kPatience);
        CHECK(told < now + kPatience);
        // All others do not.
        const auto age = std::chrono::duration_cast<std::chrono::microseconds>(
                             std::chrono::steady_clock::now() - start)
                             .count();
        CHECK(number(death, "uptime_usec") > 0);
        CHECK(number(death, "uptime_usec") < age);
        const json::object all = client.call("io.shmipc.Status");
        CHECK(number(all, "uptime_usec") >= uptime);
        uptime = number(all, "uptime_usec");
        for (const json::value& worker : all.at("workers").as_array()) {
            for (const char* const field :
                 {"uptime_usec", "message_age_usec", "heartbeat_age_usec"}) {
                CHECK(number(worker, field) >= 0);
                CHECK(number(worker, field) <= age);
            }
            CHECK(number(worker, "hangs") == 0);
            CHECK(number(worker, "deaths") == (number(worker, "index") == 1 ? deaths : 0));
        }
    }
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}

TEST_CASE("a worker's program that is replaced takes effect for each worker with its next life") {
    const SupervisorRun run;
    const std::string program = run.directory() + "/worker";
    const std::string next = run.directory() + "/next";
    std::filesystem::copy_file(SHMIPC_WORKER, program);
    std::filesystem::copy_file(SHMIPC_WORKER, next);
    Process supervisor = run.start("[worker]\ncommand = [\"" + program + R"(", "--group", "{group}",
        "--workers", "{workers}", "--index", "{index}", "--max-interval", "5ms"])" +
                                   "\n");
    require_line(supervisor, "3/3 workers ready");
    varlink::Client client = connect(run);
    const auto pid = [&](std::size_t worker) {
        return static_cast<pid_t>(number(status(client).at(worker), "pid"));
    };

    // As a package's upgrade does it.
    std::filesystem::rename(next, program);
    kill_and_await(supervisor, client, 1);
    CHECK(std::filesystem::equivalent(program_of(pid(1)), program));
    CHECK_FALSE(std::filesystem::equivalent(program_of(pid(0)), program));
    // Old and new talk with each other.
    require_new_messages(run);

    // Away for a while: it is missed by who needs it, and by nobody else.
    std::filesystem::rename(program, next);
    client.call("io.shmipc.Kill", worker_list({2}));
    require_line(supervisor, "cannot be executed: " + program + ": No such file or directory");
    std::filesystem::rename(next, program);
    client.call("io.shmipc.Start", worker_list({2}));
    CHECK(std::filesystem::equivalent(program_of(pid(2)), program));
    require_new_messages(run);
    supervisor.signal(SIGTERM);
    CHECK(supervisor.exit_code() == 0);
}
