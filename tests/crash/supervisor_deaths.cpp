#include "base/os.hpp"
#include "call_deaths.hpp"
#include "child.hpp"
#include "tracer.hpp"
#include <shmipc/group.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr std::uint32_t kWorkers = 2;
constexpr WorkerIndex kKilled{1};

/// A directory of the test's own, gone with it.
class Directory {
  public:
    Directory() {
        std::array<char, 64> name{"/tmp/shmipc-crash-XXXXXX"};
        if (mkdtemp(name.data()) == nullptr) {
            throw Failure("cannot make a directory in /tmp");
        }
        path_ = name.data();
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

/// The service manager, to which the supervisor tells that all workers are ready.
class Manager {
  public:
    explicit Manager(std::string path) : path_(std::move(path)) {
        socket_ = os::Fd(os::require("cannot make a socket", [] {
            return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        }));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        os::require("cannot bind " + path_, [&] {
            return bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
        });
    }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    void forget() {
        while (!next().empty()) {
        }
    }
    /// Whether it has been told so, looking only at what has come.
    bool told_ready() {
        for (std::string text = next(); !text.empty(); text = next()) {
            if (text == "READY=1") {
                return true;
            }
        }
        return false;
    }
    /// The same, waiting for it.
    bool hears_ready() {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!told_ready()) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            pollfd told{.fd = socket_.get(), .events = POLLIN, .revents = 0};
            if (left.count() <= 0 ||
                os::retry([&] { return poll(&told, 1, static_cast<int>(left.count())); }) != 1) {
                return false;
            }
        }
        return true;
    }

  private:
    std::string next() {
        std::array<char, 512> text{};
        const auto got =
            os::retry([&] { return recv(socket_.get(), text.data(), text.size(), 0); });
        return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
    }

    std::string path_;
    os::Fd socket_;
};

class SupervisorDeaths {
  public:
    SupervisorDeaths()
        : group_("crash-" + std::to_string(getpid()) + "-supervised"),
          manager_(directory_.path() + "/manager"),
          null_(open("/dev/null", O_RDWR | O_CLOEXEC)) {
        // A first death is restarted at once; stable_after makes each death a first one.
        std::ofstream(directory_.path() + "/group.toml")
            << "workers = " << kWorkers << "\n"
            << "[worker]\ncommand = [\"" SHMIPC_WORKER
               "\", \"--group\", \"{group}\", \"--workers\", \"{workers}\", \"--index\", "
               "\"{index}\", \"--max-interval\", \"2ms\"]\n"
            << "start_limit = \"1m\"\n"
            << "[restart]\nmax_restarts = 0\nstable_after = \"0s\"\n"
            << "[log]\nlevel = \"error\"\n";
    }
    SupervisorDeaths(const SupervisorDeaths&) = delete;
    SupervisorDeaths& operator=(const SupervisorDeaths&) = delete;
    ~SupervisorDeaths() {
        std::error_code ignored;
        Group::remove(group_, ignored);
    }

    /// Entries and exits of system calls from its first instruction until all workers are ready.
    std::uint32_t learn_start() {
        Traced traced(*this);
        const std::uint32_t calls = traced.run_until_ready(kEndless);
        traced.die();
        return calls;
    }
    void play_start(std::uint32_t calls) {
        Traced traced(*this);
        traced.run_until_ready(calls);
        traced.die();
    }

    /// From a worker's death until its successor is ready, and the supervisor has nothing to do.
    std::uint32_t learn_respawn() {
        Traced traced(*this);
        traced.run_until_ready(kEndless);
        const std::uint32_t calls = traced.kill_worker(kEndless);
        traced.die();
        return calls;
    }
    void play_respawn(std::uint32_t calls) {
        Traced traced(*this);
        traced.run_until_ready(kEndless);
        traced.kill_worker(calls);
        traced.die();
    }

    /// The last start, without --persist: nothing is left.
    void finish() {
        work_on(false);
        for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
            const std::string file = entry.path().filename().string();
            expect(!file.starts_with("shmipc." + group_ + "."), "leaked object " + file);
        }
    }

  private:
    static constexpr std::uint32_t kEndless = ~std::uint32_t{0};

    /// A supervisor under the tracer.
    class Traced {
      public:
        explicit Traced(SupervisorDeaths& test) : test_(test) {
            test_.manager_.forget();
            tracee_ = std::make_unique<Tracee>(test_.program(true));
        }

        std::uint32_t run_until_ready(std::uint32_t most) {
            std::uint32_t calls = 0;
            while (calls < most && !test_.manager_.told_ready()) {
                next();
                ++calls;
            }
            return calls;
        }

        /// As soon as the supervisor sleeps; then follows it. Returns the calls from there on.
        std::uint32_t kill_worker(std::uint32_t most) {
            const Group group = Group::open(test_.group_);
            const auto before = group.vital_signs(kKilled);
            expect(before.has_value(), "no vital signs");
            bool killed = false;
            while (!killed) {
                next([&] {
                    kill(static_cast<pid_t>(before->pid), SIGKILL);
                    killed = true;
                });
            }
            bool idle = false;
            std::uint32_t calls = 0;
            while (calls < most && !idle) {
                next([&] {
                    const auto now = group.vital_signs(kKilled);
                    if (now && now->incarnation > before->incarnation &&
                        now->state == layout::WorkerState::kReady) {
                        idle = true;
                        // So that it comes to its next call.
                        kill(tracee_->pid(), SIGCHLD);
                    }
                });
                ++calls;
            }
            return calls;
        }

        /// No process of the supervisor's lives on; the messages are there; the next one starts.
        void die() {
            tracee_->murder();
            expect_nobody_left();
            test_.work_on(true);
        }

      private:
        void next(const Tracee::OnSleep& on_sleep = {}) {
            expect(tracee_->run_to_call(on_sleep) == Tracee::Event::kCall,
                   "the supervisor ended by itself: " + describe_status(tracee_->status()));
        }

        SupervisorDeaths& test_;
        std::unique_ptr<Tracee> tracee_;
    };

    [[nodiscard]] Program program(bool persist) const {
        return {.command = {SHMIPC_SUPERVISOR, "--config", directory_.path() + "/group.toml",
                            "--group", group_, "--runtime-dir", directory_.path(),
                            persist ? "--persist" : "--no-persist"},
                .environment = {"NOTIFY_SOCKET=" + manager_.path()},
                .output = null_.get()};
    }

    /// All that a dead supervisor has left is ours now, and dies without our doing.
    static void expect_nobody_left() {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        for (;;) {
            const pid_t pid = waitpid(-1, nullptr, __WALL);  // a test: nobody else's
            if (pid == -1 && errno == ECHILD) {
                return;
            }
            expect(std::chrono::steady_clock::now() < deadline,
                   "a process lives on without its supervisor");
        }
    }

    [[nodiscard]] std::vector<std::uint64_t> sequences() const {
        std::vector<std::uint64_t> all;
        for (std::uint32_t i = 0; i < kWorkers; ++i) {
            all.push_back(stock_sequence(group_, WorkerIndex{i}));
        }
        return all;
    }

    /// A supervisor that nobody traces comes to readiness, and ends in order.
    void work_on(bool persist) {
        std::error_code error;
        const bool born = Group::open(group_, error).has_value();
        const std::vector<std::uint64_t> before =
            born ? sequences() : std::vector<std::uint64_t>(kWorkers);
        for (std::uint32_t i = 0; i < kWorkers; ++i) {
            expect(before[i] >= last_[i], "lost: worker " + std::to_string(i) + " went back");
        }
        manager_.forget();
        Child supervisor([&]() -> int { become(program(persist)); });
        expect(manager_.hears_ready(), "the next supervisor's workers do not become ready");
        const std::vector<std::uint64_t> now = sequences();
        for (std::uint32_t i = 0; i < kWorkers; ++i) {
            expect(now[i] >= before[i], "lost: worker " + std::to_string(i) + " began anew");
        }
        supervisor.send(SIGTERM);
        const auto status = supervisor.reap(kPatience);
        expect(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0,
               "the next supervisor does not end in order");
        expect_nobody_left();
        if (persist) {
            last_ = sequences();
        }
    }

    Directory directory_;
    std::string group_;
    Manager manager_;
    os::Fd null_;
    std::vector<std::uint64_t> last_ = std::vector<std::uint64_t>(kWorkers);
};

}  // namespace

void supervisor_deaths(Toll& toll, std::uint32_t stride) {
    constexpr std::uint32_t kLeastOfStart = 300;
    constexpr std::uint32_t kLeastOfRespawn = 30;
    SupervisorDeaths deaths;
    toll.begin("the supervisor's start", Toll::Unit::kCall, kLeastOfStart);
    const std::uint32_t start = deaths.learn_start();
    toll.places(start + 1);
    kill_at_each(toll, start, stride, [&](std::uint32_t place) { deaths.play_start(place); });
    toll.end();
    toll.begin("the supervisor's reap and spawn", Toll::Unit::kCall, kLeastOfRespawn);
    const std::uint32_t respawn = std::max(deaths.learn_respawn(), deaths.learn_respawn());
    toll.places(respawn + 1);
    kill_at_each(toll, respawn, stride, [&](std::uint32_t place) { deaths.play_respawn(place); });
    deaths.finish();
    toll.end();
}

}  // namespace shmipc::crash
