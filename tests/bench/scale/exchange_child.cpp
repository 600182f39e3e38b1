#include "exchange_child.hpp"

#include "base/os.hpp"
#include "base/unix_address.hpp"
#include "figures.hpp"
#include <shmipc/worker.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shmipc::bench {
namespace {

constexpr int kBatches = 20;

/// The end at which log lines arrive: a pipe behind standard output, or a journal's socket.
class Sink {
  public:
    Sink(bool journal, const std::string& path) : journal_(journal) {
        if (journal) {
            listen(path);
            return;
        }
        std::array<int, 2> ends{};
        os::require("pipe2", [&] { return ::pipe2(ends.data(), O_CLOEXEC); });
        end_ = os::Fd(ends[0]);
        const os::Fd in(ends[1]);
        os::require("dup2", [&] { return ::dup2(in.get(), STDOUT_FILENO); });
    }
    ~Sink() { stop(); }
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;

    void read() {
        stop_ = os::Fd(os::require("eventfd", [] { return ::eventfd(0, EFD_CLOEXEC); }));
        reader_.emplace([this] { read_all(); });
    }
    /// What has arrived; reading ends.
    std::uint64_t stop() {
        if (reader_) {
            ::eventfd_write(stop_.get(), 1);
            reader_->join();
            reader_.reset();
        }
        return arrived_;
    }

  private:
    void listen(const std::string& path) {
        const auto address = os::to_address(path);
        if (!address) {
            throw std::runtime_error("too long for a socket: " + path);
        }
        ::unlink(path.c_str());
        end_ = os::Fd(
            os::require("socket", [] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }));
        os::require("bind " + path,
                    [&] { return ::bind(end_.get(), os::generic(*address), sizeof(*address)); });
    }
    void read_all() {
        std::array<pollfd, 2> ends{{{.fd = end_.get(), .events = POLLIN, .revents = 0},
                                    {.fd = stop_.get(), .events = POLLIN, .revents = 0}}};
        std::vector<char> buffer(65536);
        while (os::retry([&] { return ::poll(ends.data(), ends.size(), -1); }) > 0) {
            if ((ends[0].revents & POLLIN) == 0) {
                return;  // empty, and told to stop
            }
            const auto got =
                os::retry([&] { return ::read(end_.get(), buffer.data(), buffer.size()); });
            for (ssize_t i = 0; !journal_ && i < got; ++i) {
                arrived_ += buffer[static_cast<std::size_t>(i)] == '\n' ? 1U : 0U;
            }
            arrived_ += journal_ && got >= 0 ? 1U : 0U;
        }
    }

    bool journal_;
    os::Fd end_;
    os::Fd stop_;
    std::optional<std::thread> reader_;
    std::uint64_t arrived_ = 0;
};

/// Two workers of one process; what one publishes the other reads, and both say so as the stock
/// worker does, with the flush that follows each of its exchanges.
class Pair {
  public:
    Pair(const std::string& group, bool logs)
        : writer_(Worker::attach(config(group), WorkerIndex{0})),
          reader_(Worker::attach(config(group), WorkerIndex{1})),
          producer_(writer_.producer()),
          consumer_(reader_.consumer(WorkerIndex{0})),
          logs_(logs) {}

    void exchange() {
        producer_.publish(message_);
        if (logs_ && log::enabled(log::Level::kDebug)) {
            log::log(log::Level::kDebug, log::Event::kExchange,
                     "write " + std::to_string(producer_.sequence()),
                     {{"SHMIPC_CHANNEL", 0}, {"SHMIPC_SEQUENCE", producer_.sequence()}});
        }
        const auto pinned = consumer_.acquire();
        if (!pinned) {
            throw std::runtime_error("an exchange without a message");
        }
        if (logs_ && log::enabled(log::Level::kDebug)) {
            log::log(log::Level::kDebug, log::Event::kExchange,
                     "read info from 0: " + std::to_string(pinned.sequence()),
                     {{"SHMIPC_CHANNEL", 0}, {"SHMIPC_SEQUENCE", pinned.sequence()}});
        }
        if (logs_) {
            log::flush(std::chrono::milliseconds{0});
        }
    }

  private:
    static GroupConfig config(const std::string& group) {
        return {.name = group, .workers = 2, .capacity = 64, .slots = 0};
    }

    Worker writer_;
    Worker reader_;
    Producer<> producer_;
    Consumer<> consumer_;
    bool logs_;
    std::vector<std::byte> message_ = std::vector<std::byte>(64);
};

Exchanged exchange(const Place& place, const Logging& logging, int exchanges) {
    const std::string socket = place.directory + "/journal";
    Sink sink(logging.format == log::Format::kJournal, socket);
    if (logging.read) {
        sink.read();
    }
    log::init({.identifier = "shmipc-worker",
               .prefix = "0",
               .level = logging.level,
               .format = logging.format,
               .fields = {{"SHMIPC_GROUP", place.group}, {"SHMIPC_WORKER", 0}},
               .never_block = true,
               .journal_socket = socket});
    Exchanged result;
    log::set_tap([&result](auto&&...) { ++result.lines; });
    Pair pair(place.group, logging.calls);
    const int batch_size = exchanges / kBatches;
    std::vector<double> times;
    for (int batch = 0; batch < kBatches; ++batch) {
        const auto start = Clock::now();
        for (int i = 0; i < batch_size; ++i) {
            pair.exchange();
        }
        times.push_back(count<std::chrono::nanoseconds>(Clock::now() - start) / batch_size);
    }
    result.ns_per_exchange = median(std::move(times));
    if (!logging.read) {
        sink.read();  // now, to learn what was kept
    }
    log::flush(std::chrono::seconds{5});
    result.arrived = sink.stop();
    return result;
}

[[noreturn]] void run_child(const Place& place, const Logging& logging, int exchanges, int out) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        const Exchanged result = exchange(place, logging, exchanges);
        const auto written = os::retry([&] { return ::write(out, &result, sizeof result); });
        ::_exit(written == sizeof result ? EXIT_SUCCESS : EXIT_FAILURE);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "shmipc-bench-scale: %s\n", error.what());
        ::_exit(EXIT_FAILURE);
    }
}

}  // namespace

Exchanged exchange_in_child(const Place& place, const Logging& logging, int exchanges) {
    std::array<int, 2> ends{};
    os::require("pipe2", [&] { return ::pipe2(ends.data(), O_CLOEXEC); });
    const os::Fd out(ends[0]);
    os::Fd in(ends[1]);
    std::fflush(nullptr);  // else the child would have it too
    const pid_t child = os::require("fork", [] { return ::fork(); });
    if (child == 0) {
        run_child(place, logging, exchanges, in.get());
    }
    in.reset();
    Exchanged result;
    const auto got = os::retry([&] { return ::read(out.get(), &result, sizeof result); });
    os::retry([&] { return ::waitpid(child, nullptr, 0); });
    if (got != sizeof result) {
        throw std::runtime_error(std::string("no result of the exchange logged as ") +
                                 logging.name);
    }
    return result;
}

}  // namespace shmipc::bench
