#include "storm_worker.hpp"

#include "base/os.hpp"
#include "payload.hpp"
#include <shmipc/worker.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace shmipc::crash {

namespace {

using Random = std::minstd_rand;

/// Far longer than worker 0 ever pauses, or is dead, on a loaded machine.
constexpr std::chrono::seconds kOversleep{20};
/// A sleeper looks again by itself only after this: a lost wake-up shows.
constexpr std::chrono::seconds kHeartbeat{600};

volatile std::sig_atomic_t told_to_stop = 0;
/// What the signal handler interrupts; null until there is one.
std::atomic<Worker*> to_interrupt{nullptr};
static_assert(std::atomic<Worker*>::is_always_lock_free, "used in a signal handler");

void add(Count& count, std::uint64_t amount = 1) noexcept {
    // Relaxed, no read-modify-write: one writer.
    count.store(count.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

/// One reading end: what it has pinned, and the checks.
struct Reader {
    Reader(Consumer<Bytes> end, WorkerIndex from) : consumer(std::move(end)), channel(from) {}

    Consumer<Bytes> consumer;
    WorkerIndex channel;
    std::optional<Pinned<Bytes>> pinned;
};

class StormWorker {
  public:
    StormWorker(const Arena& arena, WorkerIndex index, Records& records, std::uint64_t seed)
        : records_(records),
          mine_(records.of[to_number(index)]),
          random_(static_cast<Random::result_type>(mix(seed) >> 33U)),
          worker_(Worker::attach(arena.config(), index, options(arena.config()))),
          producer_(worker_.producer()) {
        add(mine_.reclaimed, worker_.reclaimed_pins().size());
        add(mine_.leaked_pins, arena.pins_of(index));
        check_recovery();
        for (std::uint32_t i = 0; i < worker_.workers(); ++i) {
            if (WorkerIndex{i} != index) {
                readers_.push_back(
                    std::make_unique<Reader>(worker_.consumer(WorkerIndex{i}), WorkerIndex{i}));
            }
        }
    }

    [[nodiscard]] Worker& membership() noexcept { return worker_; }

    void step() {
        publish();
        for (const auto& reader : readers_) {
            if (!reader->pinned) {
                acquire(*reader);
            } else if (one_in(3)) {
                release(*reader);
            }
        }
        if (one_in(1000)) {
            pause();
        }
        if (to_number(worker_.index()) != 0 && one_in(1000)) {
            wait();
        }
    }

  private:
    using Clock = std::chrono::steady_clock;

    /// Those of the phase. Relaxed: see Master::keep_quiet().
    Durations& durations() noexcept {
        return records_.storming.load(std::memory_order_relaxed) ? mine_.storm : mine_.quiet;
    }

    bool one_in(std::uint32_t n) { return random_() % n == 0; }

    AttachOptions options(const GroupConfig& config) {
        AttachOptions options;
        options.heartbeat_interval = kHeartbeat;
        options.time_source = TimeSource{static_cast<std::uint32_t>(random_() % 3)};
        options.on_stale_pin = [this, capacity = config.capacity](const StalePin& pin) {
            add(mine_.inherited);
            if (!is_whole(pin.channel, pin.info, pin.bytes, capacity)) {
                report(mine_.torn, "inherited, torn", pin.channel, pin.info);
            }
        };
        return options;
    }

    void report(Count& count, const char* what, WorkerIndex channel, const MessageInfo& info) {
        add(count);
        std::fprintf(stderr, "worker %u: %s: %s\n", to_number(worker_index()), what,
                     describe(channel, info).c_str());
    }
    [[nodiscard]] WorkerIndex worker_index() const noexcept {
        return WorkerIndex{static_cast<std::uint32_t>(&mine_ - records_.of.data())};
    }

    /// What an earlier life published is there: at least the last publish that returned, at most
    /// the one that had begun; and whole.
    void check_recovery() {
        const std::uint64_t found = producer_.sequence();
        if (found < mine_.published.load(std::memory_order_relaxed) ||
            found > mine_.publishing.load(std::memory_order_relaxed)) {
            report(mine_.lost, "recovered another message than was published", worker_.index(),
                   {.sequence = found});
        }
        if (found != 0 && (producer_.last().size() != size_of(found, worker_.capacity()) ||
                           value_of(producer_.last()) != found)) {
            report(mine_.torn, "one's own last message", worker_.index(), {.sequence = found});
        }
    }

    void publish() {
        const std::uint64_t sequence = producer_.sequence() + 1;
        const Pattern pattern({.worker = worker_.index(),
                               .incarnation = worker_.incarnation(),
                               .sequence = sequence});
        const std::size_t size = size_of(sequence, worker_.capacity());
        // Release, here and below: with the acquire in acquire().
        mine_.publishing.store(sequence, std::memory_order_release);
        Errc outcome = Errc::kOk;
        if (one_in(2)) {
            const auto begin = Clock::now();
            Loan<Bytes> loan = producer_.loan();
            const auto loaned = Clock::now();
            if (one_in(16)) {
                return;  // given back, unpublished
            }
            pattern.fill(loan.bytes().first(size));
            const auto filled = Clock::now();
            outcome = loan.publish(size);
            durations().publish.add(Clock::now() - filled + (loaned - begin));
        } else {
            buffer_.resize(size);
            pattern.fill(buffer_);
            outcome = producer_.publish(buffer_);
        }
        if (outcome != Errc::kOk || producer_.sequence() != sequence) {
            report(mine_.refused, "publish failed", worker_.index(), {.sequence = sequence});
        }
        mine_.published.store(sequence, std::memory_order_release);
    }

    void acquire(Reader& reader) {
        const std::uint32_t from = to_number(reader.channel);
        const std::uint64_t published = records_.of[from].published.load(std::memory_order_acquire);
        const auto begin = Clock::now();
        Pinned<Bytes> pinned = reader.consumer.acquire();
        durations().acquire.add(Clock::now() - begin);
        if (pinned.status() == Errc::kEmpty && published == 0) {
            return;
        }
        if (!pinned) {
            report(mine_.refused, "acquire failed", reader.channel, {.sequence = published});
            return;
        }
        check(reader, pinned);
        if (pinned.sequence() < published) {
            report(mine_.lost, "published before, and not there", reader.channel, pinned.info());
        }
        if (pinned.sequence() < mine_.seen[from].load(std::memory_order_relaxed) ||
            pinned.info().incarnation <
                mine_.seen_incarnation[from].load(std::memory_order_relaxed)) {
            report(mine_.reversed, "older than one seen before", reader.channel, pinned.info());
        }
        mine_.seen[from].store(pinned.sequence(), std::memory_order_relaxed);
        mine_.seen_incarnation[from].store(pinned.info().incarnation, std::memory_order_relaxed);
        if (pinned.fresh()) {
            add(mine_.messages_read);
        }
        reader.pinned.emplace(std::move(pinned));
    }

    void check(const Reader& reader, const Pinned<Bytes>& pinned) {
        if (!is_whole(reader.channel, pinned.info(), pinned.bytes(), worker_.capacity())) {
            report(mine_.torn, "torn", reader.channel, pinned.info());
        }
    }

    void release(Reader& reader) {
        check(reader, *reader.pinned);
        const MessageInfo info = reader.pinned->info();
        if (reader.pinned->release() != Errc::kOk) {
            report(mine_.refused, "release failed", reader.channel, info);
        }
        reader.pinned.reset();
    }

    /// Time for the others, with some messages pinned; rarely for long.
    void pause() {
        std::this_thread::sleep_for(std::chrono::microseconds{random_() % (one_in(8) ? 2000 : 50)});
    }

    /// Worker 0 never waits, and each other only for those before it: so all go on.
    void wait() {
        const auto before = random_() % to_number(worker_.index());
        Reader& reader = *readers_[before];
        const bool sleeps = !reader.consumer.has_newer();
        const Errc outcome = reader.consumer.wait_newer(kOversleep);
        if (outcome == Errc::kTimeout) {
            report(mine_.overslept, "not woken", reader.channel, {});
        }
        if (sleeps) {
            add(mine_.waits);
        }
    }

    Records& records_;
    Record& mine_;
    Random random_;
    Worker worker_;
    Producer<Bytes> producer_;
    std::vector<std::unique_ptr<Reader>> readers_;  ///< by channel, without one's own
    std::vector<std::byte> buffer_;
};

void on_terminate(int /*signal*/) {
    told_to_stop = 1;
    // Sequentially consistent, with the store: whichever comes second sees the other.
    if (Worker* const worker = to_interrupt.load(std::memory_order_seq_cst)) {
        worker->interrupt();
    }
}

}  // namespace

int storm_worker(const Arena& arena, WorkerIndex index, Records& records, int running,
                 std::uint64_t seed) {
    struct sigaction action {};
    action.sa_handler = on_terminate;
    sigaction(SIGTERM, &action, nullptr);
    signal(SIGINT, SIG_IGN);  // the master's business
    StormWorker worker(arena, index, records, seed);
    to_interrupt.store(&worker.membership(), std::memory_order_seq_cst);
    const char byte = 'r';
    os::require("cannot tell that it runs", [&] { return write(running, &byte, 1); });
    while (told_to_stop == 0) {
        worker.step();
    }
    to_interrupt.store(nullptr, std::memory_order_seq_cst);
    return EXIT_SUCCESS;
}

}  // namespace shmipc::crash
