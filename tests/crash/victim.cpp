// shmipc-crash-victim: a worker of the library as it is delivered, without hooks, that obeys the
// orders on its desk (desk.hpp), the file whose descriptor is its argument.
//
// It traps before each order, so that whoever traces it can write the order, and then follow it
// instruction by instruction: an order does nothing but call the library, and what it needs was
// made by another order before it.
#include "arena.hpp"
#include "base/os.hpp"
#include "desk.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace shmipc::crash {

namespace {

/// A wait may sleep for longer than any test, so that a lost wake-up is a hang and not a delay.
constexpr std::chrono::seconds kSleep{600};

class Victim {
  public:
    explicit Victim(Desk& desk) : desk_(desk) {
        config_ = {.name = desk.group.data(),
                   .workers = desk.workers,
                   .capacity = desk.capacity,
                   .slots = desk.slots};
    }

    void obey(const Order& order) {
        switch (order.task) {
            case Task::kCreate:
                group_.emplace(Group::create_or_open(config_));
                return;
            case Task::kAttach:
                return attach(order.count == 0);
            case Task::kHandles:
                return take_handles(order.channel);
            case Task::kLap:
                return lap(order.count);
            case Task::kSeek:
                return seek(order);
            case Task::kPublish:
                return publish();
            case Task::kLoan:
                return loan();
            case Task::kReturnLoan:
                return return_loan();
            case Task::kAcquire:
                return acquire();
            case Task::kRelease:
                return release();
            case Task::kRecheck:
                return recheck();
            case Task::kWait:
                return check(consumer_->wait_newer(kSleep), "wait");
            case Task::kLeave:
                return leave();
        }
    }

  private:
    /// What the desk says is written before the call that it announces, or after the one that it
    /// reports: the compiler may not move it, and a process sees its own stores in their order.
    static void in_order() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
    static void check(Errc outcome, const char* what) {
        if (outcome != Errc::kOk) {
            throw Failure(std::string(what) + " failed: " + make_error_code(outcome).message());
        }
    }

    void attach(bool checks) {
        AttachOptions options;
        options.heartbeat_interval = kSleep;
        if (checks) {
            options.on_stale_pin = [this](const StalePin& pin) {
                expect(is_whole(pin.channel, pin.info, pin.bytes, config_.capacity),
                       "torn, inherited: " + describe(pin.channel, pin.info));
            };
        }
        worker_.emplace(Worker::attach(config_, desk_.index, options));
        desk_.incarnation = worker_->incarnation();
    }

    void take_handles(WorkerIndex channel) {
        const auto& pins = worker_->reclaimed_pins();
        expect(pins.size() <= desk_.reclaimed.size(), "more pins reclaimed than there are cells");
        desk_.pins = static_cast<std::uint32_t>(pins.size());
        std::copy(pins.begin(), pins.end(), desk_.reclaimed.begin());
        producer_.emplace(worker_->producer());
        consumer_.emplace(worker_->consumer(channel));
        channel_ = channel;
        desk_.recovered = desk_.publishing = desk_.published = producer_->sequence();
        if (producer_->sequence() != 0) {
            expect(producer_->last().size() == size_of(producer_->sequence(), config_.capacity) &&
                       value_of(producer_->last()) == producer_->sequence(),
                   "torn: one's own last message " + std::to_string(producer_->sequence()));
        }
    }

    [[nodiscard]] std::vector<std::byte> message(std::uint64_t sequence) const {
        std::vector<std::byte> bytes(size_of(sequence, config_.capacity));
        Pattern(
            {.worker = desk_.index, .incarnation = worker_->incarnation(), .sequence = sequence})
            .fill(bytes);
        return bytes;
    }

    void lap(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::vector<std::byte> bytes = message(producer_->sequence() + 1);
            desk_.publishing = producer_->sequence() + 1;
            check(producer_->publish(bytes), "publish");
            desk_.published = desk_.publishing;
        }
    }

    void seek(const Order& order) {
        const auto found = [&] {
            const std::uint64_t before = producer_->sequence() + order.count;
            return size_of(before + 1, config_.capacity) == Desk::kLength &&
                   (before - desk_.recovered) % 2 == order.parity;
        };
        while (!found()) {
            lap(1);
        }
        prepared_ = message(producer_->sequence() + 1 + order.count);
    }

    void publish() {
        desk_.publishing = producer_->sequence() + 1;
        in_order();
        check(producer_->publish(prepared_), "publish");
        in_order();
        desk_.published = desk_.publishing;
    }

    void loan() {
        desk_.publishing = producer_->sequence() + 1;
        in_order();
        Loan<Bytes> loan = producer_->loan();
        fill_half(loan);
        std::memcpy(loan.bytes().data() + kHalf, prepared_.data() + kHalf,
                    prepared_.size() - kHalf);
        check(loan.publish(prepared_.size()), "publish");
        in_order();
        desk_.published = desk_.publishing;
    }

    void return_loan() {
        Loan<Bytes> loan = producer_->loan();
        fill_half(loan);
    }

    void fill_half(Loan<Bytes>& loan) {
        check(loan.status(), "loan");
        std::memcpy(loan.bytes().data(), prepared_.data(), kHalf);
    }

    void acquire() {
        pinned_.emplace(consumer_->acquire());
        check(pinned_->status(), "acquire");
        in_order();
        desk_.kept = 0;
        desk_.held = pinned_->sequence();
    }

    void release() {
        // Nobody may believe any more that it is pinned once the call has begun.
        desk_.kept = std::exchange(desk_.held, 0);
        in_order();
        check(pinned_->release(), "release");
    }

    void recheck() {
        expect(pinned_->sequence() == desk_.held, "torn: a pinned message's sequence changed");
        expect(is_whole(channel_, pinned_->info(), pinned_->bytes(), config_.capacity),
               "torn: " + describe(channel_, pinned_->info()));
    }

    void leave() {
        pinned_.reset();
        consumer_.reset();
        producer_.reset();
        worker_.reset();
        group_.reset();
    }

    static constexpr std::size_t kHalf = 48;
    static_assert(kHalf < Desk::kLength);

    Desk& desk_;
    GroupConfig config_;
    std::optional<Group> group_;
    std::optional<Worker> worker_;
    std::optional<Producer<Bytes>> producer_;
    std::optional<Consumer<Bytes>> consumer_;
    WorkerIndex channel_{0};
    std::optional<Pinned<Bytes>> pinned_;
    std::vector<std::byte> prepared_;
};

void obey(Desk& desk) {
    const pid_t self = getpid();
    Victim victim(desk);
    for (;;) {
        kill(self, SIGTRAP);
        try {
            victim.obey(desk.order);
        } catch (const std::exception& error) {
            const std::string text = error.what();
            text.copy(desk.fault.data(), desk.fault.size() - 1);
        }
        std::atomic_signal_fence(std::memory_order_seq_cst);
        desk.done = true;
        if (desk.order.task == Task::kLeave) {
            return;
        }
    }
}

}  // namespace

}  // namespace shmipc::crash

int main(int argc, char** argv) {
    using shmipc::crash::Desk;
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s DESCRIPTOR, under its tracer\n", argv[0]);
        return 64;
    }
    void* const memory = mmap(nullptr, sizeof(Desk), PROT_READ | PROT_WRITE, MAP_SHARED,
                              static_cast<int>(std::strtol(argv[1], nullptr, 10)), 0);
    if (memory == MAP_FAILED) {
        std::perror("cannot map the desk");
        return EXIT_FAILURE;
    }
    shmipc::crash::obey(*static_cast<Desk*>(memory));
    return EXIT_SUCCESS;
}
