// Fuzz target: a live channel whose header, cells and slots somebody scribbles on, at any step of
// the protocol, while a producer, a consumer, an observer and one who looks after the group use it.
// Errors may come of it, and nothing else.
//
// Linked with the library that calls a hook before each step. Input: first the scribbles, each the
// number of steps before it, a place and a value; then what the processes do, one byte each.
#include "arena.hpp"
#include "input.hpp"
#include "touch.hpp"
#include <shmipc/error.hpp>
#include <shmipc/group.hpp>
#include <shmipc/observer.hpp>
#include <shmipc/worker.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace {

using namespace shmipc;

constexpr std::uint32_t kWorkers = 2;
constexpr WorkerIndex kFirst{0};
constexpr WorkerIndex kSecond{1};

struct Scribble {
    std::uint8_t steps = 0;  ///< since the one before
    std::uint32_t object = 0;
    std::uint16_t offset = 0;
    std::uint64_t value = 0;
    std::size_t bytes = 0;
};

/// The process that scribbles: one of its scribbles each time that enough steps have passed.
struct Scribbler {
    fuzz::Arena* arena = nullptr;
    std::vector<Scribble> scribbles;
    std::size_t next = 0;
    std::uint32_t steps = 0;

    void pass() {
        while (next < scribbles.size() && steps >= scribbles[next].steps) {
            const Scribble& one = scribbles[next++];
            arena->scribble(one.object, one.offset, &one.value, one.bytes);
            steps = 0;
        }
        ++steps;
    }
};
Scribbler scribbler;

class Stage {
  public:
    explicit Stage(const GroupConfig& config)
        : config_(config),
          group_(Group::open(config.name)),
          observer_(Observer::open(config.name)) {
        attach_producer();
        attach_consumer();
    }

    void act(std::uint8_t what) {
        switch (what % 10) {
            case 0:
                return publish();
            case 1:
                return lend();
            case 2:
                return acquire();
            case 3:
                pinned_.reset();
                return;
            case 4:
                if (consumer_) {
                    static_cast<void>(consumer_->wait_newer(std::chrono::milliseconds{0}));
                    static_cast<void>(consumer_->has_newer());
                }
                return;
            case 5:
                return observe();
            case 6:
                return look_after();
            case 7:
                return attach_producer();
            case 8:
                return attach_consumer();
            default:
                if (producer_) {
                    fuzz::touch(producer_->last());
                }
        }
    }

  private:
    void attach_producer() {
        producer_.reset();
        first_.reset();
        try {
            first_.emplace(Worker::attach(config_, kFirst, fuzz::attach_options()));
            producer_.emplace(first_->producer());
        } catch (const Error&) {
            return;  // as it should: what is wrong is reported
        }
    }
    void attach_consumer() {
        pinned_.reset();
        consumer_.reset();
        second_.reset();
        try {
            second_.emplace(Worker::attach(config_, kSecond, fuzz::attach_options()));
            consumer_.emplace(second_->consumer(kFirst));
        } catch (const Error&) {
            return;  // as above
        }
    }
    void publish() {
        const std::array<std::byte, 40> text{};
        if (producer_) {
            static_cast<void>(producer_->publish(text));
        }
    }
    void lend() {
        if (producer_) {
            if (Loan<Bytes> loan = producer_->loan()) {
                std::memset(loan.bytes().data(), 'x', loan.bytes().size());
                static_cast<void>(loan.publish(loan.bytes().size()));
            }
        }
    }
    void acquire() {
        if (consumer_) {
            pinned_.reset();
            pinned_.emplace(consumer_->acquire());
            if (*pinned_) {
                fuzz::touch(pinned_->bytes());
                static_cast<void>(pinned_->info());
            }
        }
    }
    void observe() {
        Observer::Message message;
        if (observer_.read(kFirst, message) == Errc::kOk) {
            fuzz::touch(message.bytes);
        }
        static_cast<void>(observer_.payload(kFirst));
    }
    void look_after() {
        for (const WorkerIndex worker : {kFirst, kSecond}) {
            static_cast<void>(group_.vital_signs(worker));
            static_cast<void>(group_.latest(worker));
            static_cast<void>(group_.held_by(worker));
            static_cast<void>(group_.running(worker));
        }
    }

    const GroupConfig& config_;
    Group group_;
    Observer observer_;
    std::optional<Worker> first_;
    std::optional<Worker> second_;
    std::optional<Producer<Bytes>> producer_;
    std::optional<Consumer<Bytes>> consumer_;
    std::optional<Pinned<Bytes>> pinned_;
};

}  // namespace

extern "C" void shmipc_step_hook(std::uint16_t /*step*/) noexcept {
    scribbler.pass();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::Arena arena(kWorkers);
    fuzz::Input input(data, size);
    scribbler = {};
    arena.restore();
    Stage stage(arena.config());
    scribbler.arena = &arena;
    const auto count = input.number<std::uint8_t>() % 32U;
    for (std::uint32_t i = 0; i < count; ++i) {
        Scribble one;
        one.steps = input.number<std::uint8_t>();
        const auto how = input.number<std::uint8_t>();
        one.object = how % kWorkers;
        one.bytes = std::size_t{1} << (how / kWorkers % 4U);
        one.offset = input.number<std::uint16_t>();
        one.value = input.number<std::uint64_t>();
        scribbler.scribbles.push_back(one);
    }
    while (!input.empty()) {
        scribbler.pass();
        stage.act(input.number<std::uint8_t>());
    }
    return 0;
}
